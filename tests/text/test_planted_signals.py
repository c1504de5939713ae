"""Planted signals: if a model depends on a single word, relevance finds that word."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from lrp_domains import ATTN_LRP, CP_LRP, GRADIENT
from lrp_domains.text import TextExplainer

from .small_models import BERT
from .small_tokenizers import tokenizer_of

FILLER = "the plot was long and so did every minute of it"


@pytest.fixture(scope="module")
def explainer_of():
    """Return explainers of a BERT whose two labels depend on "wonderful" and on "terrible", and on no other word."""
    tokenizer = tokenizer_of("wordpiece")
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), num_labels=2, **BERT)).eval().double()
    for parameter in model.parameters():
        nn.init.zeros_(parameter) if parameter.ndim > 1 else None
    with torch.no_grad():
        embeddings = model.bert.embeddings
        noise = torch.randn(embeddings.word_embeddings.weight.shape, generator=torch.Generator().manual_seed(0))
        embeddings.word_embeddings.weight.copy_(noise)
        embeddings.word_embeddings.weight[:, :2] = 0
        for axis, word in enumerate(("wonderful", "terrible")):
            embeddings.word_embeddings.weight[tokenizer.convert_tokens_to_ids(word), axis] = 12
        for layer in model.bert.encoder.layer:  # attention is uniform and passes on what it reads
            layer.attention.self.value.weight.copy_(torch.eye(16))
            layer.attention.output.dense.weight.copy_(torch.eye(16))
        model.bert.pooler.dense.weight.copy_(torch.eye(16))
        model.classifier.weight.zero_()
        model.classifier.weight[0, 0] = model.classifier.weight[1, 1] = 5
    return lambda **options: TextExplainer(model, tokenizer, **options)


def strongest(result):
    return max(result.words, key=lambda word: word.relevance).text


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("word, label", [("wonderful", 0), ("Terrible", 1), ("WONDERFUL", 0)])
def test_a_word_is_found_in_any_place_case_and_batch(explainer_of, rules, word, label):
    filler = FILLER.split()
    texts = [" ".join([*filler[:place], word, *filler[place:]]) for place in range(len(filler) + 1)]
    texts += [f"{word}!", f"({word})", f'"{word}," the film']
    for text, result in zip(texts, explainer_of(rules=rules)(texts), strict=True):
        assert result.prediction == f"LABEL_{label}", text
        assert strongest(result) == word, text


@pytest.mark.parametrize("place", [0, 7, 13, 20, 39])
@pytest.mark.parametrize("stride", [0, 4])
def test_a_word_is_found_in_any_window(explainer_of, place, stride):
    words = (FILLER.split() * 4)[:40]
    words[place] = "terrible"
    result = explainer_of(window=14, stride=stride)(" ".join(words), target="LABEL_1")
    assert "windows" in result.notes[0]
    assert strongest(result) == "terrible"


def test_a_contrast_separates_two_words(explainer_of):
    result = explainer_of(rules=CP_LRP)("wonderful plot but terrible film", target="LABEL_0", against="LABEL_1")
    by_word = {word.text: word.relevance for word in result.words}
    assert by_word["wonderful"] > 0 > by_word["terrible"]
    others = [abs(r) for text, r in by_word.items() if text not in ("wonderful", "terrible")]
    assert max(others) < 0.5 * min(by_word["wonderful"], -by_word["terrible"])


def test_gradient_x_input_misses_what_passes_a_layer_norm(explainer_of):
    text = " ".join(["wonderful", *FILLER.split()])
    lrp, control = (explainer_of(rules=rules)(text) for rules in (CP_LRP, GRADIENT))
    share = [max(w.relevance for w in r.words) / sum(abs(w.relevance) for w in r.words) for r in (lrp, control)]
    assert share[0] > share[1]
