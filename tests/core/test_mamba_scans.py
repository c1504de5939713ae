"""MambaLRP of scans written by hand, against loops over the equations of a state space."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import CP_LRP, GAMMA, MAMBA_LRP, Rule, UnknownOperation, ledger, relevance, state_space

from .hand_written_scans import SCANS, WITH_SKIPS, Selective, network, run
from .state_space_loops import TIGHT, Linear, StateSpace


def state_space_of(mixer):
    u, delta, A, B, C = (part.detach() if part.ndim == 2 else part[0].detach() for part in mixer.parts)
    return StateSpace(u, delta, A, *(part[:, None].expand(-1, 4, -1) for part in (B, C)), mixer.D)


def of_head(model, y):
    """Return the relevance of the head's input."""
    R = torch.zeros_like(y)
    R[-1] = model["head"].weight[1] * y[-1]
    return R


@pytest.mark.parametrize("split", [False, True], ids=["a layer's", "split off"])
@pytest.mark.parametrize("scan", SCANS + WITH_SKIPS, ids=lambda scan: scan.__name__)
def test_a_scan_by_hand_equals_the_loops(scan, split):
    model = network(scan=scan, split=split)
    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    score = run(model, x)
    actual = relevance(score, x, rules=MAMBA_LRP, model=model)
    with torch.no_grad():
        inner = Linear(x[0], model["mixer"].inner.weight, model["mixer"].inner.bias)
        space = state_space_of(model["mixer"])
        of_u = space.back(of_head(model, space.y))
        expected = inner.back(F.pad(of_u, (0, inner.y.shape[1] - 4)))
    torch.testing.assert_close(score[0].detach(), of_head(model, space.y).sum() + model["head"].bias[1], **TIGHT)
    torch.testing.assert_close(actual[0], expected, **TIGHT)


def test_two_state_spaces_in_a_row_without_a_layer_between_them_equal_the_loops():
    model = network()
    model["mixer"], second = Selective(inner=model["mixer"]).double(), model["mixer"]
    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    actual = relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
    with torch.no_grad():
        first, last = state_space_of(second), state_space_of(model["mixer"])
        of_first = last.back(of_head(model, last.y))  # SiLU passes it on unchanged
        expected = Linear(x[0], second.inner.weight, second.inner.bias).back(first.back(of_first))
    torch.testing.assert_close(actual[0], expected, **TIGHT)


def test_relevance_is_conserved_beside_a_state_space_of_parameters():
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    model["beside"], c = Selective().double(), nn.Parameter(torch.randn(1, 6, 5, dtype=torch.float64))
    score = model["head"](model["mixer"](x) + model["beside"](c))[:, -1, 1]
    assert ledger(score, x, rules=MAMBA_LRP, model=model).balanced(1e-12)


class Scan(torch.autograd.Function):
    """h = decay h' + write, as one operation."""

    @staticmethod
    def forward(context, decay, write):
        h = [write[:, 0]]
        for t in range(1, write.shape[1]):
            h.append(decay[:, t] * h[-1] + write[:, t])
        context.save_for_backward(decay)
        return torch.stack(h, 1)

    @staticmethod
    def backward(context, of_h):
        (decay,) = context.saved_tensors
        of_write = [of_h[:, -1]]
        for t in reversed(range(of_h.shape[1] - 1)):
            of_write.insert(0, of_h[:, t] + decay[:, t + 1] * of_write[0])
        return None, torch.stack(of_write, 1)


def test_a_scan_in_a_custom_function_requires_a_rule():
    def by_function(u, delta, A, B, C):
        h = Scan.apply((delta[..., None] * A).exp(), (delta * u)[..., None] * B[:, :, None])
        return torch.einsum("btcn,btn->btc", h, C)

    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    model, same = network(scan=by_function), network()
    with pytest.raises(UnknownOperation, match="ScanBackward"):
        relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
    states_alone = Rule("states alone", opens=lambda node, carries, graph: (False, True))
    actual = relevance(run(model, x), x, rules=MAMBA_LRP.for_nodes({"ScanBackward": states_alone}), model=model)
    torch.testing.assert_close(actual, relevance(run(same, x), x, rules=MAMBA_LRP, model=same), **TIGHT)


@pytest.mark.parametrize("base", [CP_LRP, GAMMA], ids=str)
def test_the_state_space_rule_can_be_added_to_any_set(base):
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    account = ledger(run(model, x), x, rules=base.where({"*.D": state_space}), model=model)
    assert base is GAMMA or account.balanced(1e-12)
    if base is CP_LRP:  # which has the rules of AttnLRP for everything else in this model
        expected = relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
        torch.testing.assert_close(account.relevance[0], expected, **TIGHT)
        assert not torch.allclose(relevance(run(model, x), x, rules=CP_LRP), expected, rtol=0.1)


@pytest.mark.parametrize("decays", [True, False])
def test_a_state_that_is_explained_keeps_its_relevance(decays):
    model, h = network(), torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True)

    def from_state(u, delta, A, B, C):
        start = (delta[:, 0, :, None] * A).exp() * h if decays else h @ torch.eye(3, dtype=h.dtype)
        first = start + (delta[:, 0] * u[:, 0])[..., None] * B[:, 0, None]
        second = (delta[:, 1, :, None] * A).exp() * first + (delta[:, 1] * u[:, 1])[..., None] * B[:, 1, None]
        return torch.stack([(first * C[:, 0, None]).sum(-1), (second * C[:, 1, None]).sum(-1)], 1)

    model["mixer"].scan = from_state
    score = run(model, x)
    actual = relevance(score, [x, h], rules=MAMBA_LRP, model=model, retain_graph=True)
    _, delta, A, _, C = (part.detach() for part in model["mixer"].parts)
    weight = model["head"].weight[1].detach()
    decay = ((delta.sum(1) if decays else delta[:, 1])[..., None] * A).exp()
    expected = torch.einsum("c,bn,bcn,bcn->bcn", weight, C[:, 1], decay, h.detach())
    torch.testing.assert_close(actual[1], expected, **TIGHT)
    torch.testing.assert_close(actual[0], relevance(score, x, rules=MAMBA_LRP, model=model), **TIGHT)
