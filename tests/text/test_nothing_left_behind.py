"""Nothing is left behind on the user's model or tokenizer, whatever happens."""

import pytest
import torch

from lrp_domains import RelevanceError
from lrp_domains.text import TextError, TextExplainer

from .small_models import bart, bert, gpt2
from .small_tokenizers import SENTENCES, tokenizer_of


def state_of(model):
    """Return all that a module contains: flags, hooks, attributes, parameters and whether they require a gradient."""
    modules = []
    for name, module in model.named_modules():
        hooks = {key: len(value) for key, value in vars(module).items() if "hook" in key and hasattr(value, "__len__")}
        modules.append((name, module.training, sorted(vars(module)), hooks))
    parameters = [(n, p.requires_grad, p.grad is None, p.detach().clone()) for n, p in model.named_parameters()]
    return modules, parameters


def assert_unchanged(before, after):
    assert before[0] == after[0]
    for (*flags, values), (*flags_after, values_after) in zip(before[1], after[1], strict=True):
        assert flags == flags_after
        assert torch.equal(values, values_after)


@pytest.mark.parametrize("embedding", ["word", "sum"])
def test_an_explanation_changes_nothing_of_the_model(embedding):
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    model.bert.embeddings.requires_grad_(False)
    before, config = state_of(model), model.config.to_dict()
    TextExplainer(model, tokenizer, embedding=embedding)(list(SENTENCES))
    assert_unchanged(before, state_of(model))
    assert model.config.to_dict() == config


@pytest.mark.parametrize("embedding", ["word", "sum"])
def test_an_exception_changes_nothing_of_the_model(embedding):
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    before = state_of(model)
    explainer = TextExplainer(model, tokenizer, embedding=embedding)
    with pytest.raises(RuntimeError, match="stop"):
        forward = model.bert.pooler.forward
        model.bert.pooler.forward = lambda states: (_ for _ in ()).throw(RuntimeError("stop"))
        explainer("good film")
    model.bert.pooler.forward = forward
    del model.bert.pooler.__dict__["forward"]
    with pytest.raises(TextError, match="no label"):
        explainer("good film", target="no such label")
    assert_unchanged(before, state_of(model))


def test_an_explanation_changes_nothing_of_the_tokenizer():
    tokenizer = tokenizer_of("wordpiece")
    before = tokenizer.padding_side, tokenizer.backend_tokenizer.to_str()
    TextExplainer(bert(tokenizer), tokenizer, window=12)(list(SENTENCES))
    assert (tokenizer.padding_side, tokenizer.backend_tokenizer.to_str()) == before


@pytest.mark.parametrize("new_model, kind", [(gpt2, "byte-level"), (bart, "unigram")])
def test_a_continuation_changes_nothing_of_the_model(new_model, kind):
    tokenizer = tokenizer_of(kind)
    model = new_model(tokenizer)
    before = state_of(model)
    TextExplainer(model, tokenizer).continuation("the plot was", longest=3)
    assert_unchanged(before, state_of(model))


def test_no_grad_around_a_call_is_fine_and_inference_mode_is_refused():
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer)
    with torch.no_grad():
        assert explainer("good film").words
        assert not torch.is_grad_enabled()
    with torch.inference_mode(), pytest.raises(RelevanceError, match="inference"):
        explainer("good film")


def test_frozen_and_unfrozen_models_have_the_same_relevance():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    free = TextExplainer(model, tokenizer)("good film")
    model.requires_grad_(False)
    frozen = TextExplainer(model, tokenizer)("good film")
    assert [t.relevance for t in free.tokens] == pytest.approx([t.relevance for t in frozen.tokens])
