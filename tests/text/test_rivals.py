"""Rivals in the place of rules: their relevance is that of the model, computed by hand."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from lrp_domains import CP_LRP, SECANT
from lrp_domains.evaluation import rivals
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.evaluation import METHODS, RemovableWords

from .small_models import BERT
from .small_tokenizers import tokenizer_of

TEXTS = ["a good film", "bad, so bad: not one good scene", "a dull story"]


def by_hand(explainer, text, steps=8):
    """Compute integrated gradients against masked words with the model alone."""
    model, tokenizer = explainer.model, explainer.tokenizer
    encoded = tokenizer(text, return_tensors="pt")
    embed = model.get_input_embeddings()
    x = embed(encoded.input_ids).detach()
    reference = x.clone()
    reference[:, 1:-1] = embed(torch.tensor(tokenizer.mask_token_id)).detach()  # all but [CLS] and [SEP]
    label = model(**encoded).logits.argmax()
    total = torch.zeros_like(x)
    for step in range(steps):
        e = (reference + (step + 0.5) / steps * (x - reference)).requires_grad_()
        logits = model(inputs_embeds=e, attention_mask=encoded.attention_mask).logits[0]
        odds = logits[label] - torch.cat([logits[:label], logits[label + 1 :]]).logsumexp(0)
        total += torch.autograd.grad(odds, e)[0] / steps
    return (total * (x - reference)).sum(2)[0].double().numpy()


def test_integrated_gradients_are_those_of_the_model(explainer):
    by_rival = explainer.explaining_by(rivals.integrated_gradients(8), "mask")
    for result in by_rival(TEXTS):
        of_tokens = np.array([token.relevance for token in result.tokens])
        np.testing.assert_allclose(of_tokens, by_hand(explainer, result.texts[0]), atol=1e-5)
        assert result.rules == "integrated gradients, 8 steps"


def test_a_fine_path_accounts_for_the_difference(explainer):
    (result,) = explainer.explaining_by(rivals.integrated_gradients(200), "mask")(TEXTS[:1])
    exact = explainer.explaining_by(SECANT, "mask")(TEXTS[0])
    assert result.score == pytest.approx(exact.score, abs=1e-5)
    assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-2 * abs(result.score))


def test_occlusion_is_the_fall_of_the_score(explainer):
    (result,) = explainer.explaining_by(rivals.occlusion(), "mask")(TEXTS[:1])
    words = RemovableWords(explainer, [result], "mask")
    count = len(result.words)
    kept = [np.ones(count, bool), *(np.arange(count) != number for number in range(count))]
    intact, *without = words(np.zeros(count + 1, int), kept)
    for word, score in zip(result.words, without, strict=True):
        if " " not in word.text:
            assert word.relevance == pytest.approx(intact - score, abs=1e-4)


# The random numbers of these depend on the batch.
DRAWN = ("smooth-gradient", "gradient-shap", "kernel-shap", "lime", "random")


@pytest.mark.parametrize("name", [name for name in METHODS if name not in DRAWN])
def test_every_method_explains_texts_in_batches_as_alone(explainer, name):
    method = METHODS[name]
    by = explainer.explaining_by(method.rules, "mask" if method.against_reference else None)
    together = by(TEXTS)
    for text, result in zip(TEXTS, together, strict=True):
        alone = by(text)
        found = [word.relevance for word in result.words]
        np.testing.assert_allclose(found, [word.relevance for word in alone.words], atol=1e-4)


def test_all_labels_are_explained_by_a_rival(explainer):
    of_all = explainer.explaining_by(rivals.gradient_times_input())(TEXTS[0], target="all")
    assert len(of_all) == len(explainer.labels.names)
    one = explainer.explaining_by(rivals.gradient_times_input())(TEXTS[0], target=of_all[0].target)
    assert [w.relevance for w in of_all[0].words] == pytest.approx([w.relevance for w in one.words], abs=1e-6)


def test_a_rival_is_refused_where_it_cannot_explain(explainer, demo_model):
    with pytest.raises(TextError, match="compile=True is for rule sets"):
        TextExplainer.from_pretrained(str(demo_model), rules=rivals.occlusion(), compile=True)
    with pytest.raises(TextError, match="is not a rule set"):
        explainer.explaining_by("integrated-gradients")


def test_another_explainer_of_the_same_model_leaves_the_first_as_it_is(explainer):
    before = explainer(TEXTS[0])
    explainer.explaining_by(CP_LRP)(TEXTS[0])
    assert [w.relevance for w in explainer(TEXTS[0]).words] == [w.relevance for w in before.words]


def three_labels():
    """Return a model of three labels, whose probabilities are far from equal, and its tokenizer."""
    tokenizer = tokenizer_of("wordpiece")
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), num_labels=3, **BERT)).eval()
    with torch.no_grad():
        model.classifier.weight *= 40
    return model, tokenizer


def test_scores_are_log_odds_also_for_three_labels():
    model, tokenizer = three_labels()
    explainer = TextExplainer(model, tokenizer)
    text = "the plot was wonderful"
    result = explainer(text)

    def odds(ids):
        p = model(input_ids=ids).logits[0].detach().double().softmax(0)[model.config.label2id[result.target]]
        return float(p.logit())

    ids = tokenizer(text, return_tensors="pt").input_ids
    words = RemovableWords(explainer, [result], "mask")
    count = len(result.words)
    kept = [np.ones(count, bool), *(np.arange(count) != number for number in range(count))]
    scores = words(np.zeros(count + 1, int), kept)
    occluded = explainer.explaining_by(rivals.occlusion(), "mask")(text)
    assert scores[0] == pytest.approx(odds(ids), abs=1e-5)
    assert abs(result.score - scores[0]) > 1e-2  # the score that rules explain has the entropy of the others
    for number, word in enumerate(occluded.words):
        assert word.text == tokenizer.convert_ids_to_tokens(int(ids[0, number + 1]))
        masked = ids.clone()
        masked[0, number + 1] = tokenizer.mask_token_id
        assert scores[number + 1] == pytest.approx(odds(masked), abs=1e-5)
        assert word.relevance == pytest.approx(odds(ids) - odds(masked), abs=1e-5)


@pytest.mark.parametrize("reference", [None, "mask"])
def test_a_fine_path_accounts_for_the_log_odds_of_three_labels(reference):
    model, tokenizer = three_labels()
    explainer = TextExplainer(model, tokenizer, rules=rivals.integrated_gradients(150), reference=reference)
    result = explainer("the plot was wonderful")
    total, expected = sum(token.relevance for token in result.tokens), result.score
    if reference is None:  # against embeddings of 0
        embed = model.get_input_embeddings().weight
        with torch.no_grad():
            embed.zero_()
        expected -= explainer("the plot was wonderful", target=result.target).score
    assert total == pytest.approx(expected, abs=1e-2 * abs(expected))
