"""Nothing stays on the user's model or tokenizer, whatever happened."""

import pytest
import torch

from lrp_domains import RelevanceError
from lrp_domains.text import TextError, TextExplainer

from .models_made import bart, bert, gpt2
from .tokenizers_made import SENTENCES, tokenizer_of


def state(model):
    """All that a module holds: flags, hooks, attributes, parameters and whether they ask for a gradient."""
    held = []
    for name, module in model.named_modules():
        hooks = {key: len(value) for key, value in vars(module).items() if "hook" in key and hasattr(value, "__len__")}
        held.append((name, module.training, sorted(vars(module)), hooks))
    parameters = [(n, p.requires_grad, p.grad is None, p.detach().clone()) for n, p in model.named_parameters()]
    return held, parameters


def same(one, two):
    assert one[0] == two[0]
    for (name, *flags, values), (name2, *flags2, values2) in zip(one[1], two[1], strict=True):
        assert (name, flags) == (name2, flags2)
        assert torch.equal(values, values2)


@pytest.mark.parametrize("embedding", ["word", "sum"])
def test_after_an_explanation(embedding):
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    model.bert.embeddings.requires_grad_(False)
    before, config = state(model), model.config.to_dict()
    TextExplainer(model, tokenizer, embedding=embedding)(list(SENTENCES))
    same(before, state(model))
    assert model.config.to_dict() == config


@pytest.mark.parametrize("embedding", ["word", "sum"])
def test_after_an_exception(embedding):
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    before = state(model)
    explainer = TextExplainer(model, tokenizer, embedding=embedding)
    with pytest.raises(RuntimeError, match="stop"):
        forward = model.bert.pooler.forward
        model.bert.pooler.forward = lambda states: (_ for _ in ()).throw(RuntimeError("stop"))
        explainer("good film")
    model.bert.pooler.forward = forward
    del model.bert.pooler.__dict__["forward"]
    with pytest.raises(TextError, match="no label"):
        explainer("good film", target="no such label")
    same(before, state(model))


def test_the_tokenizer_too():
    tokenizer = tokenizer_of("wordpiece")
    before = tokenizer.padding_side, tokenizer.backend_tokenizer.to_str()
    TextExplainer(bert(tokenizer), tokenizer, window=12)(list(SENTENCES))
    assert (tokenizer.padding_side, tokenizer.backend_tokenizer.to_str()) == before


@pytest.mark.parametrize("made, kind", [(gpt2, "byte-level"), (bart, "unigram")])
def test_after_a_continuation(made, kind):
    tokenizer = tokenizer_of(kind)
    model = made(tokenizer)
    before = state(model)
    TextExplainer(model, tokenizer).continuation("the plot was", longest=3)
    same(before, state(model))


def test_modes_around_the_call():
    """Under no_grad all works; inference mode is refused."""
    tokenizer = tokenizer_of("wordpiece")
    explainer = TextExplainer(bert(tokenizer), tokenizer)
    with torch.no_grad():
        assert explainer("good film").words
        assert not torch.is_grad_enabled()
    with torch.inference_mode(), pytest.raises(RelevanceError, match="inference"):
        explainer("good film")


def test_frozen_and_unfrozen_alike():
    tokenizer = tokenizer_of("wordpiece")
    model = bert(tokenizer)
    free = TextExplainer(model, tokenizer)("good film")
    model.requires_grad_(False)
    frozen = TextExplainer(model, tokenizer)("good film")
    assert [t.relevance for t in free.tokens] == pytest.approx([t.relevance for t in frozen.tokens])
