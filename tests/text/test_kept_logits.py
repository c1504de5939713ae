"""Causal models compute logits only where they are explained, with the same results."""

import dataclasses

import pytest
import torch

from lrp_domains.text import TextExplainer

from .small_models import gpt2
from .small_tokenizers import tokenizer_of

TEXTS = ["the plot was", "I loved every minute of it, and", "a"]


@pytest.fixture(params=[False, True])
def explainers(request):
    """Yield an explainer, the same with all logits, and the shapes of the logits."""
    tokenizer = tokenizer_of("byte-level")
    model = gpt2(tokenizer)
    options = {"reference": "pad"} if request.param else {}
    explainer, whole = TextExplainer(model, tokenizer, **options), TextExplainer(model, tokenizer, **options)
    text_model = whole._pipeline.model
    network = dataclasses.replace(text_model.network, keeps_logits=False)
    whole._pipeline.__init__(dataclasses.replace(text_model, network=network), whole.settings)
    shapes = []
    handle = model.lm_head.register_forward_hook(lambda module, arguments, output: shapes.append(output.shape[1]))
    yield explainer, whole, shapes
    handle.remove()


@pytest.mark.parametrize("options", [{}, {"target": " good food"}, {"target": " good", "against": " bad"}])
def test_logits_of_the_explained_tokens_are_enough(explainers, options):
    explainer, whole, shapes = explainers
    results, expected = explainer(TEXTS, **options), whole(TEXTS, **options)
    for result, other in zip(results, expected, strict=True):
        assert (result.target, result.prediction) == (other.target, other.prediction)
        assert result.score == pytest.approx(other.score, abs=1e-9)
        assert [t.relevance for t in result.tokens] == pytest.approx([t.relevance for t in other.tokens], abs=1e-9)
    shapes.clear()
    explainer(TEXTS[1], **options)
    tokens = len(expected[1].tokens)
    assert max(shapes) < tokens - 2


def test_a_continuation_computes_only_its_logits():
    tokenizer = tokenizer_of("byte-level")
    model, shapes = gpt2(tokenizer), []
    explainer = TextExplainer(model, tokenizer)
    text, answer = "I loved every minute of it,", " and a wonderful cast"
    model.lm_head.register_forward_hook(lambda module, arguments, output: shapes.append(output.shape[1]))
    result = explainer.continuation(text, answer)
    assert shapes == [len(result.outputs)]
    phrase = explainer(text, target=answer)
    assert result.scores.sum() == pytest.approx(phrase.score)
    assert result.matrix.sum(0).tolist() == pytest.approx([token.relevance for token in phrase.tokens], abs=1e-9)


def test_the_predictions_are_those_of_the_model():
    tokenizer = tokenizer_of("byte-level")
    model = gpt2(tokenizer)
    for text, result in zip(TEXTS, TextExplainer(model, tokenizer)(TEXTS), strict=True):
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -1]
        assert result.probability == pytest.approx(torch.softmax(logits, 0).max().item())
