"""Overrides by parameter name, checkpoints and writes in place, where the graph differs from the model."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from lrp_domains import ATTN_LRP, CP_LRP, GAMMA, GRADIENT, RelevanceError, constant, ledger, relevance

from .random_rows import rows

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 4)
    ).double()


def test_overrides_by_parameter_name_apply_to_trainable_and_frozen_layers():
    model, x = network(), rows(3, 6)
    for trainable in (True, False):
        model.requires_grad_(trainable)
        with_constant = ATTN_LRP.where({"3.weight": constant})
        with pytest.raises(RelevanceError, match="no relevance flows"):
            relevance(model(x)[:, 1], x, rules=with_constant, model=model)
        with pytest.raises(
            RelevanceError, match=r"no parameter of the model matches 'nothing.\*'; its first are 0.weight"
        ):
            relevance(model(x)[:, 1], x, rules=ATTN_LRP.where({"nothing.*": constant}), model=model)

    model.requires_grad_(True)
    mixed = relevance(model(x)[:, 1], x, rules=ATTN_LRP.where({"0.*": GAMMA.operations["dense"]}), model=model)
    hidden = model[0](x)
    at_hidden = relevance(model[1:](hidden)[:, 1], hidden)
    expected = relevance(model[0](x), x, rules=GAMMA, start=at_hidden)
    torch.testing.assert_close(mixed, expected, rtol=1e-10, atol=1e-12)


def test_overrides_reach_the_projections_of_multihead_attention():
    module, x = torch.nn.MultiheadAttention(4, 2, batch_first=True).double().eval(), rows(1, 3, 4)
    rules = ATTN_LRP.where({"in_proj_weight": constant})
    with pytest.raises(RelevanceError, match="no relevance flows"):
        relevance(module(x, x, x, need_weights=False)[0].sum(), x, rules=rules, model=module)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GAMMA, GRADIENT], ids=str)
def test_a_non_reentrant_checkpoint_does_not_change_the_relevance(rules):
    def block(x):
        return x + torch.tanh(network_part(x)) * torch.sigmoid(gate(x)).clamp(max=0.9)

    network_part = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.GELU(), torch.nn.LayerNorm(6)).double()
    gate = torch.nn.Linear(6, 6).double()
    model = torch.nn.ModuleList([network_part, gate])
    x = rows(3, 6)

    def score(run):
        return run(block, run(block, x))[:, 1]

    def plain(block, x):
        return block(x)

    def checkpointed(block, x):
        return checkpoint(block, x, use_reentrant=False)

    for explain in (relevance, lambda *a, **k: ledger(*a, **k).relevance[0]):
        expected = explain(score(plain), x, rules=rules, model=model)
        torch.testing.assert_close(explain(score(checkpointed), x, rules=rules, model=model), expected, **TIGHT)


def test_values_written_to_a_slice_in_place_keep_their_relevance():
    x, y = rows(3, 4), rows(3, 4)

    def written(x, y):
        z = x * 1.0
        z[:, 0] = y[:, 1]
        z[:, 1] += y[:, 2]
        z[:, 2] /= 4.0
        return z

    weights = torch.randn(3, 4, dtype=torch.float64)
    actual = relevance((written(x, y) * weights).sum(), (x, y))
    gradients = torch.autograd.grad((written(x, y) * weights).sum(), (x, y))
    for r, t, g in zip(actual, (x, y), gradients, strict=True):
        torch.testing.assert_close(r, t.detach() * g, **TIGHT)


def test_a_relu_in_place_gives_the_same_relevance():
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(inplace=True), torch.nn.Linear(8, 4)).double()
    x = rows(3, 6)
    expected = relevance(model[2](F.relu(model[0](x)))[:, 1], x)
    assert torch.equal(relevance(model(x)[:, 1], x), expected)
