"""Empty texts that a causal language model continues."""

import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer

from .small_models import gpt2
from .small_tokenizers import tokenizer_of


def test_an_empty_text_is_what_the_tokenizer_adds_in_front():
    bpe = tokenizer_of("bpe")
    model = gpt2(bpe)
    explainer = TextExplainer(model, bpe, score="logit", rules=CP_LRP)
    start, phrase = bpe.bos_token_id, bpe("good film", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([[start, *phrase]])).logits[0]

    result = explainer("")
    assert result.score == pytest.approx(logits[0].max().item())
    assert [token.piece for token in result.tokens] == ["<s>"]
    asked = explainer("", target="good film")
    assert asked.score == pytest.approx(sum(logits[n, number].item() for n, number in enumerate(phrase)))
    assert asked.notes == () and [t.part for t in asked.tokens] == ["added"] + ["continuation"] * (len(phrase) - 1)
    for continuation in ("good film", None):
        read = explainer.continuation("", continuation, longest=2)
        assert [token.part for token in read.inputs].count("added") == 1
    assert read.outputs[0].strip() == bpe.decode([int(logits[0].argmax())])


@pytest.mark.parametrize("kind", ["unigram", "byte-level"])
def test_an_empty_text_before_which_the_tokenizer_adds_nothing_raises(kind):
    tokenizer = tokenizer_of(kind)
    explainer = TextExplainer(gpt2(tokenizer), tokenizer)
    for explain in (explainer, lambda text: explainer(text, target="good film"), explainer.continuation):
        with pytest.raises(TextError, match=r"'' has no tokens.* as this tokenizer adds none.*: leave empty texts out"):
            explain("")
