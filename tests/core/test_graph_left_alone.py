"""`relevance` leaves the graph unchanged: later passes are the same, and nothing is kept alive."""

import gc
import weakref

import pytest
import torch
from torch.nn import functional as F

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    GAMMA,
    GRADIENT,
    RelevanceError,
    Rule,
    UnknownOperation,
    deep_taylor,
    explain_rules,
    ledger,
    relevance,
)

from .plain_models import MODELS, TIGHT, model_and_inputs, plain_gradient


def test_the_graph_is_kept_only_with_retain_graph():
    model, x = model_and_inputs()
    score = model(x)[:, 0]
    first = relevance(score, x, retain_graph=True)
    assert torch.equal(relevance(score, x), first)
    with pytest.raises(RelevanceError, match=r"earlier pass.*retain_graph=True"):
        relevance(score, x)


@pytest.mark.parametrize("explain", [relevance, ledger, explain_rules])
def test_a_graph_that_was_freed_is_refused(explain):
    x = torch.randn(3, requires_grad=True)
    score = (x * torch.randn(3)).sum()
    relevance(score, x)
    with pytest.raises(RelevanceError, match=r"earlier pass.*retain_graph=True"):
        explain(score, x)


@pytest.mark.parametrize("explain", [relevance, ledger])
def test_the_plain_gradient_is_the_same_afterwards(explain):
    model, x = model_and_inputs()
    score = model(x)[:, 0].sum()
    before = plain_gradient(score, x)
    explain(score, x, retain_graph=True)
    assert torch.equal(plain_gradient(score, x), before)


def test_several_rule_sets_on_one_graph_do_not_disturb_each_other():
    model, x = model_and_inputs()
    sets = [ATTN_LRP, CP_LRP, EPSILON, GAMMA, GRADIENT]
    alone = [relevance(model(x)[:, 0], x, rules=rules) for rules in sets]
    score = model(x)[:, 0]
    side_by_side = [relevance(score, x, rules=rules, retain_graph=True) for rules in sets + sets[::-1]]
    for expected, actual in zip(alone + alone[::-1], side_by_side, strict=True):
        assert torch.equal(actual, expected)
    assert len({r.sum().item() for r in alone}) == len(sets)


def raising(node, carries, gi, go):
    raise KeyError("a rule of one's own")


def misshapen(node, carries, gi, go):
    return (go[0][:1, :1, :2],)


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        (ATTN_LRP.for_nodes({"SiluBackward0": Rule("raising", backward=raising)}), KeyError),
        (ATTN_LRP.for_nodes({"SiluBackward0": Rule("wrong shape", backward=misshapen)}), RuntimeError),
        (deep_taylor(0.0, 0.001), RelevanceError),  # wrong bounds, which are detected during the pass
    ],
    ids=["raising", "wrong shape", "wrong bounds"],
)
def test_hooks_are_gone_after_an_exception(rules, error):
    model, x = model_and_inputs()
    h = 1 * x
    score = model.classifier(F.silu(model.gate(h)) @ model.down.weight.T).sum()
    before = plain_gradient(score, h)
    with pytest.raises(error):
        relevance(score, h, rules=rules, retain_graph=True)
    assert torch.equal(plain_gradient(score, h), before)
    assert torch.equal(relevance(score, h, retain_graph=True), relevance(score, h))


def test_an_exception_in_a_rule_is_passed_on_unchanged():
    x = torch.randn(3, requires_grad=True)
    rules = ATTN_LRP.for_nodes({"TanhBackward0": Rule("raising", backward=raising)})
    with pytest.raises(KeyError, match="a rule of one's own"):
        relevance(x.tanh().sum(), x, rules=rules)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON], ids=str)
def test_two_passes_give_the_same_bits(name, rules):
    first, second = (relevance(model(x)[:, 0], x, rules=rules) for model, x in (model_and_inputs(name) for _ in "ab"))
    assert torch.equal(first, second)


def test_graphs_may_be_deeper_than_the_stack():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0001
    torch.testing.assert_close(relevance(y.sum(), x), y.detach(), **TIGHT)


def test_no_tensor_is_kept_alive_afterwards():
    """There is no reference cycle: everything is freed at once, without the garbage collector."""
    model, x = model_and_inputs()
    relevance(model(x)[:, 0], x, model=model)
    gc.collect()
    gc.disable()
    try:
        h = x * 1.0
        logits = model(h)
        of_logit = relevance(logits[:, 0], h, model=model, retain_graph=True)
        account = ledger(logits[:, 0], h, model=model, retain_graph=True)
        with pytest.raises(UnknownOperation):
            relevance(logits.logsumexp(1), h, model=model)
        watched = [weakref.ref(tensor) for tensor in (h, logits, of_logit, account.relevance[0])]
        del h, of_logit, account
        assert watched[0]() is not None  # the graph behind the logits still holds h
        del logits
        assert [ref() for ref in watched] == [None] * 4
    finally:
        gc.enable()
