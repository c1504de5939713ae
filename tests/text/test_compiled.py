"""Explanations of texts from recordings: the same results as without."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.demos.text import read_demo
from lrp_domains.domain import DomainError
from lrp_domains.text import TextError, TextExplainer

from .small_models import bert, gpt2
from .small_tokenizers import tokenizer_of

TEXTS = list(read_demo()["text"].head(9))


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_of("wordpiece")


def both(model, tokenizer, texts, target=None, *, against=None, reference=None, **settings):
    """Explain texts as usual and compiled, without any warning."""
    arguments = {"target": target, "against": against, "reference": reference}
    usual = TextExplainer(model, tokenizer, **settings)(texts, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        compiled = TextExplainer(model, tokenizer, compile=True, **settings)(texts, **arguments)
    return compiled, usual


def assert_same(compiled, usual):
    assert len(compiled) == len(usual)
    for result, expected in zip(compiled, usual, strict=True):
        assert (result.target, result.prediction) == (expected.target, expected.prediction)
        assert [token.text for token in result.tokens] == [token.text for token in expected.tokens]
        scale = max(abs(token.relevance) for token in expected.tokens)
        found, wanted = ([token.relevance for token in tokens] for tokens in (result.tokens, expected.tokens))
        np.testing.assert_allclose(found, wanted, atol=1e-5 * scale)
        assert result.score == pytest.approx(expected.score, abs=1e-5)
        assert result.probability == pytest.approx(expected.probability, abs=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"target": 1, "against": 0},
        {"target": "all"},
        {"rules": CP_LRP, "score": "margin"},
        {"batch_size": 5},
        {"padding": "right"},
        {"reference": "mask"},
        {"long": "windows", "window": 12},
    ],
    ids=str,
)
def test_texts_are_classified_and_explained_alike(tokenizer, arguments):
    model = bert(tokenizer, "ForSequenceClassification", num_labels=3)
    assert_same(*both(model, tokenizer, TEXTS, **arguments))


def test_conservation_holds_for_the_texts_alone_not_for_rows_that_fill_a_batch(tokenizer):
    model = bert(tokenizer, "ForSequenceClassification", num_labels=3)
    compiled, usual = both(model, tokenizer, TEXTS[:5], rules=CP_LRP)
    for name in ("score", "words", "leaves", "residue"):
        assert getattr(compiled.ledger, name, 0) == pytest.approx(getattr(usual.ledger, name, 0), abs=1e-5)


@pytest.mark.parametrize("target", [None, "good film"])
def test_next_tokens_and_phrases(tokenizer, target):
    assert_same(*both(gpt2(tokenizer, "LMHeadModel"), tokenizer, TEXTS[:6], target))


def test_masked_words(tokenizer):
    texts = [f"{text} {tokenizer.mask_token}" for text in TEXTS[:6]]
    assert_same(*both(bert(tokenizer, "ForMaskedLM"), tokenizer, texts))


def test_a_model_runs_no_python_once_it_is_recorded(tokenizer):
    model, calls = bert(tokenizer, "ForSequenceClassification", num_labels=3), []
    model.register_forward_hook(lambda *_: calls.append(1))
    explainer = TextExplainer(model, tokenizer, compile=True)
    explainer(TEXTS)
    assert calls
    calls.clear()
    explainer(TEXTS)
    assert not calls


def test_texts_of_many_lengths_share_recordings(tokenizer):
    model = bert(tokenizer, "ForSequenceClassification", num_labels=3)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    explainer = TextExplainer(model, tokenizer, compile=True, padding="right")
    first, second = TEXTS[0].split(), TEXTS[1].split()
    explainer([" ".join(first[:count]) for count in (9, 10, 11)], target=0)
    calls.clear()
    explainer([" ".join(second[:count]) for count in (8, 9, 10)], target=0)
    assert len(calls) <= 1  # compared once


def test_batches_are_not_filled_beyond_their_size(tokenizer):
    model, sizes = bert(tokenizer, "ForSequenceClassification", num_labels=3), set()
    model.register_forward_pre_hook(lambda _, __, inputs: sizes.add(len(inputs["input_ids"])), with_kwargs=True)
    TextExplainer(model, tokenizer, compile=True, padding="right", batch_size=5)(TEXTS[:8])
    assert sizes == {3, 5}


def test_a_model_without_padding_is_explained_at_its_exact_lengths(tokenizer):
    """Relevance must not change with padding, which a single text doesn't show."""
    model = gpt2(tokenizer, "ForSequenceClassification", num_labels=2, pad_token_id=None)
    compiled, usual = both(model, tokenizer, TEXTS[:1])
    assert_same(compiled, usual)


def test_other_models_are_explained_as_usual_with_a_warning(tokenizer):
    model = bert(tokenizer, "ForTokenClassification", num_labels=3)
    with pytest.warns(UserWarning, match="this model for token-classification aren't compiled"):
        explainer = TextExplainer(model, tokenizer, compile=True)
    assert_same([explainer(TEXTS[0])], [TextExplainer(model, tokenizer)(TEXTS[0])])


def test_a_score_that_is_not_finite_names_the_text(tokenizer):
    model = bert(tokenizer, "ForSequenceClassification", num_labels=3)
    with torch.no_grad():
        model.classifier.bias[0] = torch.nan
    with pytest.raises(TextError, match=r"text \d+: the score of .* is nan"):
        TextExplainer(model, tokenizer, compile=True, padding="right")(TEXTS[:3])


def test_only_backends_are_accepted(tokenizer):
    with pytest.raises(DomainError, match="compile='fast'"):
        TextExplainer(bert(tokenizer, "ForSequenceClassification"), tokenizer, compile="fast")


def test_updated_weights_count(tokenizer):
    model = bert(tokenizer, "ForSequenceClassification", num_labels=3)
    explainer = TextExplainer(model, tokenizer, compile=True)
    explainer(TEXTS[:4]), explainer(TEXTS[:4])
    with torch.no_grad():
        model.classifier.weight.mul_(2)
    assert_same(explainer(TEXTS[:4]), TextExplainer(model, tokenizer)(TEXTS[:4]))
    model.classifier.weight = nn.Parameter(torch.randn_like(model.classifier.weight))
    assert_same(explainer(TEXTS[:4]), TextExplainer(model, tokenizer)(TEXTS[:4]))
