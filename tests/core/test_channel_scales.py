"""A batch norm behind a layer is a part of the layer, however it was written: as if merged into the weights."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains import ledger, relevance

from .four_neurons import draw
from .layer_loops import RULES, TIGHT, only

MEAN, VARIANCE, EPS = draw(4), draw(4).square() + 0.5, 1e-3
SCALE, SHIFT = nn.Parameter(draw(4)), nn.Parameter(draw(4))  # some scales are negative


class Frozen(nn.Module):
    """A batch norm as detection models have it: buffers, and one product and one sum."""

    def __init__(self) -> None:
        super().__init__()
        for name, values in {"weight": SCALE, "bias": SHIFT, "mean": MEAN, "variance": VARIANCE}.items():
            self.register_buffer(name, values.detach().clone())

    def forward(self, x):
        scale = self.weight * (self.variance + EPS).rsqrt()
        return x * scale.reshape(1, -1, 1, 1) + (self.bias - self.mean * scale).reshape(1, -1, 1, 1)


def each(values, x):
    """Return values per channel in the shape in which they broadcast to x."""
    return values.view(-1, *[1] * (x.ndim - 2))


def normed(x):
    return (x - each(MEAN, x)) / each(VARIANCE + EPS, x).sqrt()


NORMS = {
    "F.batch_norm": lambda x: F.batch_norm(x, MEAN, VARIANCE, SCALE, SHIFT, eps=EPS),
    "without parameters, then scaled": lambda x: (
        F.batch_norm(x, MEAN, VARIANCE, eps=EPS) * each(SCALE, x) + each(SHIFT, x)
    ),
    "by hand": lambda x: normed(x) * each(SCALE, x) + each(SHIFT, x),
    "by hand, times the inverse": lambda x: (
        each(SCALE, x) * ((x - each(MEAN, x)) * each((VARIANCE + EPS).rsqrt(), x)) + each(SHIFT, x)
    ),
    "in two norms": lambda x: F.batch_norm(
        F.batch_norm(x, MEAN, VARIANCE, eps=EPS), torch.zeros(4).double(), torch.ones(4).double(), SCALE, SHIFT, eps=0.0
    ),
    "addcmul": lambda x: torch.addcmul(each(SHIFT, x), normed(x), each(SCALE, x) / 2, value=2),
    "twice half": lambda x: 2 * normed(x) * each(SCALE / 2, x) + each(SHIFT, x),
}
OF_PICTURES = NORMS | {
    "frozen": Frozen(),
    "channels last": lambda x: (
        (x.movedim(1, -1) - MEAN).div((VARIANCE + EPS).sqrt()).mul(SCALE).add(SHIFT).movedim(-1, 1)
    ),
    "flat": lambda x: (normed(x).flatten(2) * SCALE[:, None] + SHIFT[:, None]).unflatten(2, x.shape[2:]),
}


def merged(weight, bias):
    scale = SCALE * (VARIANCE + EPS).rsqrt()
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), (bias - MEAN) * scale + SHIFT


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha2beta1", "z+", "w_squared"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_convolution_with_a_norm_is_one_layer(name, batch, rule):
    weight, bias, x = nn.Parameter(draw(4, 2, 3, 3)), nn.Parameter(draw(4)), draw(batch, 2, 5, 5).requires_grad_()
    of_set, _ = RULES[rule]
    expected = relevance(F.relu(F.conv2d(x, *merged(weight, bias))).sum(), x, rules=only(of_set))
    actual = relevance(F.relu(OF_PICTURES[name](F.conv2d(x, weight, bias))).sum(), x, rules=only(of_set))
    torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha2beta1", "z+", "w_squared"])
@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 5)], ids=["rows", "sequences"])
def test_a_dense_layer_with_a_norm_is_one_layer(shape, name, rule):
    weight, bias, x = nn.Parameter(draw(4, 5)), nn.Parameter(draw(4)), draw(*shape).requires_grad_()

    def of_rows(z):
        return NORMS[name](z.flatten(0, -2)).view_as(z)

    of_set, _ = RULES[rule]
    expected = relevance(F.gelu(F.linear(x, *merged(weight, bias))).sum(), x, rules=only(of_set))
    actual = relevance(F.gelu(of_rows(F.linear(x, weight, bias))).sum(), x, rules=only(of_set))
    torch.testing.assert_close(actual, expected, **TIGHT)


def test_layers_that_are_added_may_have_norms_of_their_own_or_one():
    first, second = (nn.Parameter(draw(4, 2, 3, 3)) for _ in range(2))
    x, bias = draw(2, 2, 5, 5).requires_grad_(), draw(4)
    by_hand, frozen, of_set = NORMS["by hand"], OF_PICTURES["frozen"], only(RULES["alpha2beta1"][0])
    (w1, b1), (w2, b2) = merged(first, 0.0), merged(second, 0.0)
    expected = relevance(F.relu(F.conv2d(x, w1, b1) + F.conv2d(x, w2, b2)).sum(), x, rules=of_set)
    apart = relevance(F.relu(by_hand(F.conv2d(x, first)) + frozen(F.conv2d(x, second))).sum(), x, rules=of_set)
    torch.testing.assert_close(apart, expected, **TIGHT)
    w, b = merged(torch.cat([first, second], 1), bias)
    expected = relevance(F.relu(F.conv2d(torch.cat([x, x], 1), w, b)).sum(), x, rules=of_set)
    together = by_hand(F.conv2d(x, first, bias) + F.conv2d(x, second))
    torch.testing.assert_close(relevance(F.relu(together).sum(), x, rules=of_set), expected, **TIGHT)


@pytest.mark.parametrize("name", OF_PICTURES)
def test_a_frozen_model_has_the_same_relevance(name):
    weight, bias, x = draw(4, 2, 3, 3), draw(4), draw(2, 2, 5, 5).requires_grad_()
    of_set = only(RULES["gamma"][0])
    expected = relevance(F.relu(F.conv2d(x, *merged(nn.Parameter(weight), nn.Parameter(bias)))).sum(), x, rules=of_set)
    SCALE.requires_grad_(False), SHIFT.requires_grad_(False)
    try:
        actual = relevance(F.relu(OF_PICTURES[name](F.conv2d(x, weight, bias))).sum(), x, rules=of_set)
    finally:
        SCALE.requires_grad_(True), SHIFT.requires_grad_(True)
    torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-10)


def test_a_gate_of_one_row_is_no_scale_of_channels():
    """Whatever belongs to rows must not depend on the size of the batch."""
    weight, gates, x = nn.Parameter(draw(4, 2, 3, 3)), draw(3, 4), draw(3, 2, 5, 5).requires_grad_()

    def score(x, gates):
        return F.relu(F.conv2d(x, weight) * gates[:, :, None, None] + SHIFT.view(-1, 1, 1)).sum()

    of_batch = relevance(score(x, gates), x, rules=only(RULES["alpha2beta1"][0]))
    for row in range(3):
        alone = x[row : row + 1].detach().requires_grad_()
        of_row = relevance(score(alone, gates[row : row + 1]), alone, rules=only(RULES["alpha2beta1"][0]))
        torch.testing.assert_close(of_row, of_batch[row : row + 1], **TIGHT)


def test_the_constants_of_a_norm_by_hand_keep_their_share():
    mean = nn.Parameter(MEAN)
    weight, bias, x = nn.Parameter(draw(4, 2, 3, 3)), nn.Parameter(draw(4)), draw(2, 2, 5, 5).requires_grad_()
    z = F.conv2d(x, weight, bias)
    score = F.relu((z - each(mean, z)) / each(VARIANCE, z).sqrt() * each(SCALE, z) + each(SHIFT, z)).sum()
    assert ledger(score, x, rules=only(RULES["gamma"][0])).balanced(1e-12)
