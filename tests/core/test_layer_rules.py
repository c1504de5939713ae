"""The rules of dense layers and convolutions against their formulas, written as loops over single connections."""

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import deep_taylor, epsilon, gamma, ledger, relevance, z_box

from .layer_loops import RULES, TIGHT, by_loop, connections, minus, only, plus


class Written(torch.nn.Module):
    """A linear layer as ``function(x, weight, bias)``."""

    def __init__(self, function, inputs, outputs):
        super().__init__()
        self.weight, self.bias = torch.nn.Linear(inputs, outputs).parameters()
        self.function = function

    def forward(self, x):
        return self.function(x, self.weight, self.bias)


def normed(layer, kind, channels, *, affine=True, view=lambda norm: norm):
    """Return a layer followed by a batch norm with running statistics, some of whose scales are negative."""
    norm = kind(channels, affine=affine).eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    if affine:
        norm.weight.data.normal_()
        norm.bias.data.normal_()
    return torch.nn.Sequential(layer, view(norm))


class Rows(torch.nn.Module):
    """A module for rows of features, applied to rows of rows."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.flatten(0, 1)).view_as(x)


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
    "dense, normed": (lambda: normed(torch.nn.Linear(5, 4), torch.nn.BatchNorm1d, 4), (3, 5)),
    "dense on a sequence, normed": (
        lambda: normed(torch.nn.Linear(4, 3, bias=False), torch.nn.BatchNorm1d, 3, view=Rows),
        (2, 3, 4),
    ),
    "convolution, normed": (
        lambda: normed(torch.nn.Conv2d(2, 3, 3, padding=1, stride=2), torch.nn.BatchNorm2d, 3),
        (2, 2, 5, 4),
    ),
    "convolution without bias, normed without parameters": (
        lambda: normed(torch.nn.Conv2d(2, 2, (2, 3), bias=False), torch.nn.BatchNorm2d, 2, affine=False),
        (2, 2, 4, 4),
    ),
    "grouped, normed": (lambda: normed(torch.nn.Conv2d(4, 6, 2, groups=2), torch.nn.BatchNorm2d, 6), (1, 4, 4, 4)),
    "transposed convolution, normed": (
        lambda: normed(torch.nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), torch.nn.BatchNorm2d, 6),
        (1, 4, 2, 3),
    ),
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
def test_a_batch_norm_that_does_not_scale_by_neuron_is_no_part_of_the_layer(rule):
    """It scales by position, which no weights of the layer do: LRP-0 at the norm, then the rule."""
    layer, norm = normed(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d, 3).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    of_set, loop = RULES[rule]
    z, incoming = layer(x), torch.randn(2, 3, 2, dtype=torch.float64)
    y = norm(z)
    actual = relevance(y, x, rules=only(of_set), start=incoming)
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).view(3, 1)
    expected, _ = by_loop(layer, x.detach(), (incoming * scale * z / y).detach(), loop)
    torch.testing.assert_close(actual, expected, **TIGHT)


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
