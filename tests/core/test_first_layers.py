"""The rules for first layers: which layers they apply to, and what reads the inputs before them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains import EPSILON, RelevanceError, deep_taylor, flat, relevance, w_squared, z_box

from .four_neurons import SETS, B, U, W, X, draw, explained, weights
from .layer_loops import TIGHT, by_loop, only, z_plus_loop


def test_the_rule_for_first_layers_applies_only_to_layers_that_read_the_input():
    """If an intermediate result is explained along with the input, the layer that reads it is not a first layer."""
    first, second = torch.nn.Linear(4, 9).double(), torch.nn.Linear(9, 2).double()
    x = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    rules = deep_taylor(0.0, 1.0)
    hidden = torch.relu(first(x))
    y = second(hidden)
    alone = relevance(y, x, rules=rules, retain_graph=True)
    actual, at_hidden = relevance(y, (x, hidden), rules=rules, retain_graph=True)
    torch.testing.assert_close(actual, alone, **TIGHT)
    assert (alone != 0).any()
    expected, _ = by_loop(second, hidden.detach(), y.detach(), z_plus_loop)
    torch.testing.assert_close(at_hidden, expected, **TIGHT)
    model = torch.nn.Sequential(first, second)
    with pytest.raises(RelevanceError, match=r"z_box.*computed from another: explain them in two passes"):
        relevance(y, (x, hidden), rules=EPSILON.where({"1.weight": z_box(0, 9)}), model=model)


def test_the_rule_for_first_layers_requires_all_layers_of_a_neuron_to_read_an_input():
    """``U x + V h`` is one layer of ``[x, h]``, which reads more than the input."""
    below = weights(3, 6)

    def summed(x):
        return F.gelu(F.linear(x, W, B) + F.linear(F.relu(F.linear(x, below)), U))

    def joined(x):
        return F.gelu(F.linear(torch.cat([x, F.relu(F.linear(x, below))], -1), torch.cat([W, U], 1), B))

    rules = SETS["deep Taylor"]
    torch.testing.assert_close(explained(summed, [X], rules), explained(joined, [X], rules), **TIGHT)


@pytest.mark.parametrize("rule", [flat(), w_squared(), z_box(-4.0, 4.0)], ids=str)
def test_a_first_layer_may_read_several_inputs(rule):
    def joined(a, c):
        return F.gelu(F.linear(torch.cat([2 * a, c], -1), torch.cat([W, U], 1), B))

    def apart(a, c):
        return F.gelu(F.linear(2 * a, W, B) + F.linear(c, U))

    inputs = [X[0], X[0, :, :3]]
    torch.testing.assert_close(explained(joined, inputs, only(rule)), explained(apart, inputs, only(rule)), **TIGHT)


def test_scaling_before_a_first_layer_is_part_of_its_weights():
    scale = torch.arange(1.0, 7, dtype=torch.float64)
    for rule in (w_squared(), flat()):
        actual = explained(lambda x: F.linear(x * scale, W / scale), [X], only(rule))
        torch.testing.assert_close(actual, explained(lambda x: F.linear(x, W), [X], only(rule)), **TIGHT)


@pytest.mark.parametrize("rule", [flat(), w_squared(), z_box(-4.0, 4.0)], ids=str)
def test_padding_gets_no_relevance_from_a_first_layer(rule):
    kernel = weights(2, 1, 3, 3)
    x = draw(1, 1, 4, 4).clamp(-4, 4).requires_grad_()
    inside, before = F.conv2d(x, kernel, padding=1), F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel)
    actual = relevance(inside, x, rules=only(rule))
    torch.testing.assert_close(relevance(before, x, rules=only(rule)), actual, **TIGHT)
    torch.testing.assert_close(actual.sum(), inside.sum().detach(), **TIGHT)


def test_z_box_is_refused_for_other_layers_and_outside_its_bounds():
    with pytest.raises(RelevanceError, match=r"z_box.*reads an explained input directly; here GeluBackward0"):
        explained(lambda x: F.linear(F.gelu(x), W), [X], only(z_box(-9, 9)))
    bound = torch.ones(6, dtype=torch.float64)
    for x in (0.5 * bound, 2 * bound):
        with pytest.raises(RelevanceError, match="outside the given bounds"):
            explained(lambda x: F.linear(x, W), [x], only(z_box(bound, bound)))


def test_a_long_path_to_the_first_layer_takes_linear_time():
    layer, rules = nn.Linear(4, 4).double(), deep_taylor(0.0, 1.0)
    x = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    expected = relevance(layer(x).sum(), x, rules=rules)
    scaled, turned = x, x
    for _ in range(600):
        scaled = scaled * 1.0 + 0.0
    for _ in range(40):
        turned = torch.cat([turned[:, 1:], turned[:, :1]], 1)
    torch.testing.assert_close(relevance(layer(scaled).sum(), x, rules=rules), expected, **TIGHT)
    torch.testing.assert_close(relevance(layer(turned).sum(), x, rules=rules), expected, **TIGHT)
