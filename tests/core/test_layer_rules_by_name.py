"""Layer rules for parameters by name: several rules in one neuron, computed weights, names that apply to nothing."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

from lrp_domains import ATTN_LRP, GAMMA, RelevanceError, gamma, relevance

from .four_neurons import X, draw, explained
from .layer_loops import TIGHT


def test_each_of_several_rules_in_a_neuron_shares_the_sum_of_its_layers():
    """Gamma is for u only. It shares the sum of u; the bias and v keep LRP-0, wherever the bias is added."""
    model = nn.ModuleDict({"u": nn.Linear(6, 4), "v": nn.Linear(3, 4)}).double()
    u, v = model["u"], model["v"]
    x, k = X[0].clone().requires_grad_(), X[0, :, :3].clone().requires_grad_()
    forms = (
        lambda: u(x) + F.linear(k, v.weight),
        lambda: F.linear(x, u.weight) + F.linear(k, v.weight, u.bias),
        lambda: F.linear(x, u.weight) + F.linear(k, v.weight) + u.bias,
    )
    with torch.no_grad():
        contributions = x[:, None] * u.weight  # row, neuron, input
        z = contributions.sum(-1, keepdim=True)
        favoured = torch.where(z > 0, contributions.clamp(min=0), contributions.clamp(max=0)) * 0.25 + contributions
        of_x = (favoured / favoured.sum(-1, keepdim=True) * z).sum(1)
    for form in forms:
        actual = relevance(form(), (x, k), rules=ATTN_LRP.where({"u.weight": gamma()}), model=model)
        torch.testing.assert_close(actual[0], of_x, **TIGHT)
        torch.testing.assert_close(actual[1], (k * v.weight.sum(0)).detach(), **TIGHT)


def test_a_layer_rule_by_name_ignores_operations_that_are_not_layers():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(), nn.Flatten(), nn.Linear(27, 3)).eval()
    model = nn.Sequential(*model[:4], nn.LayerNorm(27), model[4]).double()
    x = draw(2, 2, 5, 5)
    by_name = explained(model, [x], ATTN_LRP.where({"*": gamma()}), model=model)
    by_kind = explained(model, [x], ATTN_LRP.for_nodes({"dense": gamma(), "convolution": gamma()}))
    torch.testing.assert_close(by_name, by_kind, **TIGHT)
    with pytest.warns(UserWarning, match=r"parameter named '1\.\*'.*only to dense layers and convolutions"):
        explained(model, [x], ATTN_LRP.where({"1.*": gamma()}), model=model)


class LowRank(nn.Module):
    def __init__(self):
        super().__init__()
        self.base, self.a, self.b = nn.Linear(6, 4), nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        return F.linear(x, self.base.weight + self.b @ self.a, self.base.bias)


COMPUTED = {
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)), "*.original1"),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4)).eval(), "*.original"),
    "pruned": (lambda: prune.random_unstructured(nn.Linear(6, 4), "weight", 0.3), "weight_orig"),
    "low rank": (LowRank, "a"),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_a_layer_rule_by_name_reaches_computed_weights(name):
    make, glob = COMPUTED[name]
    model = make().double()
    actual = explained(model, [X], ATTN_LRP.where({glob: gamma()}), model=model)
    torch.testing.assert_close(actual, explained(model, [X], GAMMA), **TIGHT)


def test_layers_without_a_formula_are_refused_by_name():
    model = nn.Bilinear(6, 6, 2).double()
    with pytest.raises(RelevanceError, match=r"gamma.*'weight'.*no formula for TrilinearBackward0"):
        explained(lambda x: model(x, x), [X], ATTN_LRP.where({"weight": gamma()}), model=model)


def test_a_rule_by_name_that_applies_to_nothing_is_warned_of():
    model, x = nn.Linear(6, 4).double().requires_grad_(False), X.clone().requires_grad_()
    with pytest.warns(UserWarning, match="parameter named 'weight'.*copy of a frozen parameter"):
        explained(lambda x: F.linear(x, model.weight * 1), [X], ATTN_LRP.where({"weight": gamma()}), model=model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relevance(model(x), x, rules=ATTN_LRP.where({"weight": gamma()}), model=model)
