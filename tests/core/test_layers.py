"""The rules of dense layers and convolutions against their formulas, written as loops over single connections."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import (
    EPSILON,
    GAMMA,
    RelevanceError,
    RuleSet,
    alpha_beta,
    deep_taylor,
    epsilon,
    flat,
    gamma,
    ledger,
    relevance,
    w_squared,
    z_box,
)

TIGHT = {"rtol": 1e-10, "atol": 1e-12}


def plus(a: float) -> float:
    return max(a, 0.0)


def minus(a: float) -> float:
    return min(a, 0.0)


def sign(z: float) -> float:
    return -1.0 if z < 0 else 1.0


# Each oracle returns R_i and R_b of one neuron j, from its inputs x_i, weights w_i, bias b and relevance R_j.
def epsilon_loop(x, w, b, r, eps=0.01):
    z = sum(xi * wi for xi, wi in zip(x, w, strict=True)) + b
    share = [xi * wi / (z + eps * sign(z)) * r for xi, wi in zip(x, w, strict=True)]
    return share, b / (z + eps * sign(z)) * r


def gamma_loop(x, w, b, r, g=0.3):
    z = sum(xi * wi for xi, wi in zip(x, w, strict=True)) + b
    part = plus if z > 0 else minus
    favoured = [xi * wi + g * part(xi * wi) for xi, wi in zip(x, w, strict=True)]
    bias = b + g * part(b)
    total = sum(favoured) + bias
    return [f / total * r for f in favoured], bias / total * r


def alpha_beta_loop(x, w, b, r, alpha=2.0, beta=1.0):
    z_plus = sum(plus(xi * wi) for xi, wi in zip(x, w, strict=True)) + plus(b)
    z_minus = sum(minus(xi * wi) for xi, wi in zip(x, w, strict=True)) + minus(b)

    def share(z):
        up = alpha * plus(z) / z_plus if z_plus else 0.0
        down = beta * minus(z) / z_minus if z_minus else 0.0
        return (up - down) * r

    return [share(xi * wi) for xi, wi in zip(x, w, strict=True)], share(b)


def z_plus_loop(x, w, b, r):
    return alpha_beta_loop(x, w, b, r, 1.0, 0.0)


def z_box_loop(x, w, b, r, low=-3.5, high=4.0):
    part = [xi * wi - low * plus(wi) - high * minus(wi) for xi, wi in zip(x, w, strict=True)]
    return [p / sum(part) * r for p in part], 0.0


def w_squared_loop(x, w, b, r):
    total = sum(wi**2 for wi in w)
    return [wi**2 / total * r for wi in w], 0.0


def flat_loop(x, w, b, r):
    return [r / len(w) for _ in w], 0.0


RULES = {
    "epsilon": (epsilon(0.01), epsilon_loop),
    "gamma": (gamma(0.3), gamma_loop),
    "alpha2beta1": (alpha_beta(2, 1), alpha_beta_loop),
    "z+": (alpha_beta(1, 0), z_plus_loop),
    "z_box": (z_box(-3.5, 4.0), z_box_loop),
    "w_squared": (w_squared(), w_squared_loop),
    "flat": (flat(), flat_loop),
}


def only(rule) -> RuleSet:
    return EPSILON.for_nodes({"dense": rule, "convolution": rule})


def connections(layer, x: torch.Tensor):
    """Return the inputs of each output of a linear layer with their weights, by index, and the biases.

    The layer is applied to one unit vector after another, so its strides and groups don't matter here. The inputs of an
    output are those with a nonzero weight (weights are random).
    """
    zero = torch.zeros_like(x[:1])
    biases = layer(zero)
    inputs = {j: [] for j in product(*map(range, biases.shape[1:]))}
    for i in product(*map(range, x.shape[1:])):
        unit = zero.clone()
        unit[(0, *i)] = 1.0
        weights = layer(unit) - biases
        for j in inputs:
            if weights[(0, *j)] != 0:
                inputs[j].append((i, weights[(0, *j)].item()))
    return inputs, biases


def by_loop(layer, x, incoming, loop):
    """Return the relevance of the inputs and of the biases, neuron by neuron."""
    with torch.no_grad():
        inputs, biases = connections(layer, x)
    r = torch.zeros_like(x)
    of_biases = 0.0
    for row in range(len(x)):
        for j, connected in inputs.items():
            values = [x[(row, *i)].item() for i, _ in connected]
            share, of_bias = loop(values, [w for _, w in connected], biases[(0, *j)].item(), incoming[(row, *j)].item())
            of_biases += of_bias
            for (i, _), part in zip(connected, share, strict=True):
                r[(row, *i)] += part
    return r, of_biases


class Written(torch.nn.Module):
    """A linear layer as ``function(x, weight, bias)``."""

    def __init__(self, function, inputs, outputs):
        super().__init__()
        self.weight, self.bias = torch.nn.Linear(inputs, outputs).parameters()
        self.function = function

    def forward(self, x):
        return self.function(x, self.weight, self.bias)


def mapped(x, w, b):
    return torch.vmap(lambda row: F.linear(row, w, b))(x)


LAYERS = {
    "dense": (lambda: torch.nn.Linear(5, 4), (3, 5)),
    "dense without bias": (lambda: torch.nn.Linear(5, 4, bias=False), (3, 5)),
    "dense on a sequence": (lambda: torch.nn.Linear(4, 3), (2, 3, 4)),
    "not contiguous": (lambda: Written(lambda x, w, b: F.linear(x.mT, w, b), 3, 2), (2, 3, 4)),
    "einsum": (lambda: Written(lambda x, w, b: torch.einsum("bti,oi->bto", x, w) + b, 4, 3), (2, 3, 4)),
    "einsum, turned": (lambda: Written(lambda x, w, b: torch.einsum("oi,bti->bto", w, x) + b, 4, 3), (2, 3, 4)),
    "vmap": (lambda: Written(mapped, 4, 3), (2, 3, 4)),
    "bmm": (lambda: Written(lambda x, w, b: torch.bmm(x, w.mT.expand(len(x), 4, 3)), 4, 3), (2, 3, 4)),
    "baddbmm": (lambda: Written(lambda x, w, b: torch.baddbmm(b, x, w.mT.expand(len(x), 4, 3)), 4, 3), (2, 3, 4)),
    "mv": (lambda: Written(lambda x, w, b: torch.mv(w, x[0])[None] + b, 4, 3), (1, 4)),
    "mv, one neuron": (lambda: Written(lambda x, w, b: torch.mv(x, w[0])[:, None] + b, 4, 1), (3, 4)),
    "addmv": (lambda: Written(lambda x, w, b: torch.addmv(b, w, x[0])[None], 4, 3), (1, 4)),
    "convolution": (lambda: torch.nn.Conv2d(2, 3, 3, padding=1, stride=2), (2, 2, 5, 4)),
    "convolution without bias": (lambda: torch.nn.Conv2d(2, 2, (2, 3), bias=False), (2, 2, 4, 4)),
    "grouped, dilated": (lambda: torch.nn.Conv2d(4, 4, 2, groups=2, dilation=2), (1, 4, 4, 4)),
    "convolution of a sequence": (lambda: torch.nn.Conv1d(2, 3, 3, padding=1), (2, 2, 5)),
    "transposed convolution": (lambda: torch.nn.ConvTranspose2d(2, 2, 3, stride=2), (1, 2, 2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rule", RULES)
def test_layer_rules_equal_their_loops(rule, name):
    make, shape = LAYERS[name]
    layer, x = make().double(), torch.randn(shape, dtype=torch.float64).clamp(-3, 3).requires_grad_()
    y = layer(x)
    incoming = torch.randn_like(y)
    of_set, loop = RULES[rule]
    account = ledger(y, x, rules=only(of_set), start=incoming)
    expected, of_biases = by_loop(layer, x.detach(), incoming, loop)
    torch.testing.assert_close(account.relevance[0], expected, **TIGHT)
    assert sum(account.leaves.values()) == pytest.approx(of_biases, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha2beta1", "z+"])
def test_two_layers_in_a_row_equal_two_loops_in_a_row(rule):
    """The layer below receives the coefficient of the rule."""
    first, second = torch.nn.Linear(5, 4).double(), torch.nn.Linear(4, 3).double()
    x = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    hidden = torch.relu(first(x))
    y = second(hidden)
    of_set, loop = RULES[rule]
    actual = relevance(y, x, rules=only(of_set))
    at_hidden, _ = by_loop(second, hidden.detach(), y.detach(), loop)
    expected, _ = by_loop(first, x.detach(), at_hidden, loop)
    torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha2beta1"])
def test_a_layer_may_have_its_input_as_the_second_operand(rule):
    w = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    of_set, loop = RULES[rule]
    incoming = torch.randn(4, 3, dtype=torch.float64)
    actual = relevance(w @ x, x, rules=only(of_set), start=incoming)
    expected, _ = by_loop(lambda columns: columns @ w.detach().T, x.detach().T, incoming.T, loop)
    torch.testing.assert_close(actual, expected.T, **TIGHT)


def test_bounds_of_the_box_may_differ_by_channel():
    layer = torch.nn.Conv2d(2, 2, 2).double()
    x = torch.rand(1, 2, 3, 3, dtype=torch.float64).requires_grad_()
    low, high = torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    y = layer(x)
    actual = relevance(y, x, rules=only(z_box(low, high)))
    expected = torch.zeros_like(x)
    with torch.no_grad():
        inputs, _ = connections(layer, x)
    for j, connected in inputs.items():
        part = {
            i: x[(0, *i)].item() * w - low[0, i[0]].item() * plus(w) - high[0, i[0]].item() * minus(w)
            for i, w in connected
        }
        for i, p in part.items():
            expected[(0, *i)] += p / sum(part.values()) * y[(0, *j)].item()
    torch.testing.assert_close(actual, expected, **TIGHT)


DENSE = (lambda: torch.nn.Linear(12, 8), torch.nn.ReLU, lambda: torch.nn.Linear(8, 4))
CONVOLUTIONS = (
    lambda: torch.nn.Unflatten(1, (3, 4)),
    lambda: torch.nn.Conv1d(3, 4, 2),
    torch.nn.ReLU,
    torch.nn.Flatten,
    lambda: torch.nn.Linear(12, 4),
)


@pytest.mark.parametrize("parts", [DENSE, CONVOLUTIONS], ids=["dense", "convolution"])
def test_deep_taylor_is_positive_and_conserves_relevance(parts):
    """Without positive biases, the relevance of the inputs sums to a positive score, and none of it is negative."""
    model = torch.nn.Sequential(*(make() for make in parts)).double()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.abs_().mul_(-0.1)
    x = torch.rand(50, 12, dtype=torch.float64, requires_grad=True)
    scores = model(x)
    score = scores[:, (scores > 0).sum(0).argmax()]
    assert (score > 0).sum() > 10
    r = relevance(score, x, rules=deep_taylor(0.0, 1.0))[score > 0]
    assert (r >= -1e-15).all()
    torch.testing.assert_close(r.sum(-1), score[score > 0].detach(), **TIGHT)


def test_gamma_zero_and_epsilon_to_zero_are_the_plain_rule():
    layer, x = torch.nn.Linear(5, 4).double(), torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    plain = relevance(layer(x), x)
    torch.testing.assert_close(relevance(layer(x), x, rules=only(gamma(0.0))), plain, **TIGHT)
    torch.testing.assert_close(relevance(layer(x), x, rules=only(epsilon(1e-14))), plain, **TIGHT)


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


def test_the_rule_for_first_layers_applies_only_to_layers_that_read_the_input():
    """If an intermediate result is explained along with the input, the layer that reads it is not a first layer."""
    first, second = torch.nn.Linear(4, 9).double(), torch.nn.Linear(9, 2).double()
    x = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    rules = deep_taylor(0.0, 1.0)
    hidden = torch.relu(first(x))
    y = second(hidden)
    alone = relevance(y, x, rules=rules, retain_graph=True)
    actual, found_hidden = relevance(y, (x, hidden), rules=rules, retain_graph=True)
    torch.testing.assert_close(actual, alone, **TIGHT)
    assert (alone != 0).any()
    expected, _ = by_loop(second, hidden.detach(), y.detach(), z_plus_loop)
    torch.testing.assert_close(found_hidden, expected, **TIGHT)
    model = torch.nn.Sequential(first, second)
    with pytest.raises(RelevanceError, match=r"z_box.*computed from another: explain them in two passes"):
        relevance(y, (x, hidden), rules=EPSILON.where({"1.weight": z_box(0, 9)}), model=model)


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
