"""Which operations are layers, which biases belong to them, and layers whose values are lost."""

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import EPSILON, GAMMA, RelevanceError, alpha_beta, deep_taylor, flat, relevance

from .layer_loops import RULES, TIGHT, by_loop, only


def test_a_constant_matrix_is_not_a_layer():
    """The adjacency matrix of a graph network has no neurons: LRP-0, whatever the rule for layers."""
    adjacency, layer = torch.rand(3, 3, dtype=torch.float64), torch.nn.Linear(4, 2).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    of_set, loop = RULES["gamma"]
    h = adjacency @ x
    y = layer(h)
    at_h, _ = by_loop(layer, h.detach(), y.detach(), loop)
    expected = x * (adjacency.T @ (at_h / h))
    torch.testing.assert_close(relevance(y, x, rules=only(of_set)), expected.detach(), **TIGHT)


def test_the_bias_of_a_layer_under_autocast_is_recognised():
    layer, x = torch.nn.Linear(5, 4), torch.randn(3, 5, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    expected = relevance(layer(x), x, rules=GAMMA)
    torch.testing.assert_close(relevance(y, x, rules=GAMMA), expected, rtol=0.05, atol=0.05)


def test_a_layer_without_a_formula_is_warned_of():
    x, w = torch.randn(2, 3, 4, requires_grad=True), torch.randn(2, 4, 5, requires_grad=True)
    y = torch.addbmm(torch.zeros(3, 5), x, w)
    with pytest.warns(UserWarning, match="LRP-epsilon has no rule for AddbmmBackward0.*derivative"):
        relevance(y.sum(), x, rules=EPSILON)


def test_layer_rules_refuse_lost_values_and_wrong_settings():
    layer, x = torch.nn.Linear(5, 4), torch.rand(3, 5, requires_grad=True)
    with pytest.raises(RelevanceError, match="alpha - beta = 1"):
        alpha_beta(2, 2)
    layer.weight.requires_grad_(False)  # autograd keeps no input, and x + 1 can't be computed, as it doesn't keep the 1
    with pytest.raises(RelevanceError, match=r"weight is frozen.*requires_grad_\(True\)"):
        relevance(layer(x + 1), x, rules=EPSILON)
    expected = relevance(F.linear(x, layer.weight.clone().requires_grad_(), layer.bias), x, rules=EPSILON)
    torch.testing.assert_close(relevance(layer(x), x, rules=EPSILON), expected)  # x itself is available
    layer.weight.requires_grad_(True)
    layer.bias.requires_grad_(False)
    with pytest.raises(RelevanceError, match=r"bias.*frozen.*requires_grad_\(True\).*masked_fill"):
        relevance(layer(x).sum(), x, rules=GAMMA)
    layer.bias.requires_grad_(True)
    with pytest.raises(RelevanceError, match=r"z_box.*outside the given bounds"):
        relevance(layer(x), x, rules=deep_taylor(0.0, 0.1))
    with pytest.raises(RelevanceError, match=r"flat rule.*reads an explained input directly"):
        relevance(layer(F.gelu(x)), x, rules=only(flat()))


def test_a_buffer_that_is_added_before_a_norm_is_recovered():
    """The norm keeps its input, as for the sinusoidal positions of a patch embedding."""
    layer, buffer = torch.nn.Linear(4, 6).double(), torch.randn(6, dtype=torch.float64)
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    actual = relevance(F.layer_norm(layer(x) + buffer, (6,)).square().sum(), x, rules=GAMMA)
    with torch.no_grad():
        layer.bias += buffer
    expected = relevance(F.layer_norm(layer(x), (6,)).square().sum(), x, rules=GAMMA)
    torch.testing.assert_close(actual, expected, **TIGHT)
