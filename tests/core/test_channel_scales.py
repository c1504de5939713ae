"""A batch norm behind a layer is a part of the layer, however it was written: as if merged into the weights."""

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from lrp_domains import ATTN_LRP, EPSILON, EPSILON_PLUS_FLAT, ledger, relevance

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


class FrozenInShape(Frozen):
    """The same as torchvision and timm have it: brought into shape first."""

    def forward(self, x):
        weight, bias, mean, variance = (t.reshape(1, -1, 1, 1) for t in self.buffers())
        scale = weight * (variance + EPS).rsqrt()
        return x * scale + (bias - mean * scale)


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
    "frozen, in shape": FrozenInShape(),
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


ONE_BY_ONE = {
    "addmv": lambda x: torch.stack([torch.addmv(SHIFT, ROWS, row) for row in x]),
    "weights that are computed": lambda x: torch.cat([F.linear(row, ROWS * 1, SHIFT) for row in x.split(1)]),
}


@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.parametrize("activation", [torch.clone, F.gelu])
@pytest.mark.parametrize("numbers", [draw(12).view(3, 4), nn.Parameter(draw(3, 4))])
def test_numbers_per_row_are_no_scale_of_channels_if_rows_are_computed_one_by_one(name, activation, numbers):
    def of(layer):
        rows = x.clone().requires_grad_()
        return relevance(activation(layer(rows) * numbers).sum(), rows, rules=only(RULES["epsilon"][0]))

    x = draw(3, 5)
    torch.testing.assert_close(of(ONE_BY_ONE[name]), of(lambda x: F.linear(x, ROWS, SHIFT)), **TIGHT)


def test_joined_layers_with_the_same_weights_may_have_one_scale():
    weight, bias, x = nn.Parameter(draw(4, 5)), nn.Parameter(draw(4)), draw(3, 5).requires_grad_()
    of_set = only(RULES["alpha2beta1"][0])
    expected = relevance(F.gelu(F.linear(x, *merged(weight, bias))).sum(), x, rules=of_set)
    rows = torch.stack([F.linear(row, weight, bias) for row in x])
    torch.testing.assert_close(relevance(F.gelu(NORMS["by hand"](rows)).sum(), x, rules=of_set), expected, **TIGHT)


def test_the_constants_of_a_norm_by_hand_keep_their_share():
    mean = nn.Parameter(MEAN)
    weight, bias, x = nn.Parameter(draw(4, 2, 3, 3)), nn.Parameter(draw(4)), draw(2, 2, 5, 5).requires_grad_()
    z = F.conv2d(x, weight, bias)
    score = F.relu((z - each(mean, z)) / each(VARIANCE, z).sqrt() * each(SCALE, z) + each(SHIFT, z)).sum()
    assert ledger(score, x, rules=only(RULES["gamma"][0])).balanced(1e-12)


WEIGHT, BIAS, ROWS = nn.Parameter(draw(4, 2, 3, 3)), nn.Parameter(draw(4)), nn.Parameter(draw(4, 5))
# A layer with a norm in an unusual place, the norm merged into its weights, and the shape of the input.
PLACES = {
    "of joined layers": (
        lambda x: normed(torch.cat([F.conv2d(x, WEIGHT[:1], BIAS[:1]), F.conv2d(x, WEIGHT[1:], BIAS[1:])], 1)),
        lambda x: F.conv2d(x, *unscaled(WEIGHT, BIAS)),
        (2, 2, 5, 5),
    ),
    "one for each part of a layer": (
        lambda x: torch.cat(
            [
                F.batch_norm(part, MEAN[i : i + 2], VARIANCE[i : i + 2], eps=EPS)
                for i, part in zip((0, 2), F.conv2d(x, WEIGHT, BIAS).chunk(2, 1), strict=True)
            ],
            1,
        ),
        lambda x: F.conv2d(x, *unscaled(WEIGHT, BIAS)),
        (2, 2, 5, 5),
    ),
    "of a cut": (
        lambda x: normed(F.conv2d(x, WEIGHT, BIAS, padding=1)[:, :, 1:-1, 1:-1]),
        lambda x: F.conv2d(x, *unscaled(WEIGHT, BIAS)),
        (2, 2, 5, 5),
    ),
    "of shuffled pixels": (
        lambda x: F.batch_norm(F.pixel_shuffle(F.conv2d(x, WEIGHT, BIAS), 2), MEAN[:1], VARIANCE[:1], eps=EPS),
        lambda x: F.pixel_shuffle(F.relu(F.conv2d(x, *unscaled(WEIGHT, BIAS, slice(0, 1)))), 2),
        (2, 2, 5, 5),
    ),
    "of columns": (
        lambda x: normed((ROWS @ x.T + BIAS[:, None]).T),
        lambda x: F.linear(x, *unscaled(ROWS, BIAS)),
        (3, 5),
    ),
    "of a frozen layer of columns": (
        lambda x: normed(F.linear(x.mT, ROWS.detach(), BIAS).mT),
        lambda x: F.linear(x.mT, *unscaled(ROWS, BIAS)).mT,
        (2, 5, 3),
    ),
    "of one neuron": (
        lambda x: F.batch_norm((x @ ROWS[0] + BIAS[0])[:, None], MEAN[:1], VARIANCE[:1], eps=EPS),
        lambda x: F.linear(x, *unscaled(ROWS[:1], BIAS[:1], slice(0, 1))),
        (3, 5),
    ),
    "without a shift": (
        lambda x: F.linear(x, ROWS, BIAS) * SCALE,
        lambda x: F.linear(x, ROWS * SCALE[:, None], BIAS * SCALE),
        (3, 5),
    ),
}


def unscaled(weight, bias, part=slice(None)):
    scale = (VARIANCE[part] + EPS).rsqrt()
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), (bias - MEAN[part]) * scale


@pytest.mark.parametrize("rule", ["gamma", "alpha2beta1", "w_squared"])
@pytest.mark.parametrize("name", PLACES)
def test_the_place_of_a_norm_does_not_matter(name, rule):
    f, expected, shape = PLACES[name]
    x, of_set = draw(*shape).requires_grad_(), only(RULES[rule][0])
    torch.testing.assert_close(F.relu(f(x)), F.relu(expected(x)))
    actual = relevance(F.relu(f(x)).sum(), x, rules=of_set)
    torch.testing.assert_close(actual, relevance(F.relu(expected(x)).sum(), x, rules=of_set), **TIGHT)


@pytest.mark.parametrize("rules", [ATTN_LRP, EPSILON_PLUS_FLAT, only(RULES["gamma"][0])], ids=lambda rules: rules.name)
@pytest.mark.parametrize("name", ["F.batch_norm", "by hand", "frozen, in shape"])
def test_a_checkpoint_does_not_change_the_relevance_of_a_norm(name, rules):
    x = draw(2, 2, 5, 5).requires_grad_()

    def block(x):
        return F.relu(OF_PICTURES[name](F.conv2d(x, WEIGHT, BIAS)))

    expected = ledger(block(x).sum(), x, rules=rules)
    actual = ledger(checkpoint(block, x, use_reentrant=False).sum(), x, rules=rules)
    torch.testing.assert_close(actual.relevance, expected.relevance, **TIGHT)
    assert actual.leaves == pytest.approx(expected.leaves)


def test_a_gate_of_one_row_that_is_looked_up_is_no_scale_of_channels():
    weight, gates, x = nn.Parameter(draw(4, 2, 3, 3)), nn.Parameter(draw(6, 4)), draw(3, 2, 5, 5).requires_grad_()

    def score(x, classes):
        gate = F.embedding(classes, gates)[:, :, None, None]
        return F.relu(F.conv2d(x, weight) * gate + SHIFT.view(-1, 1, 1)).sum()

    of_set, classes = only(RULES["alpha2beta1"][0]), torch.tensor([4, 0, 2])
    of_batch = relevance(score(x, classes), x, rules=of_set)
    for row in range(3):
        alone = x[row : row + 1].detach().requires_grad_()
        of_row = relevance(score(alone, classes[row : row + 1]), alone, rules=of_set)
        torch.testing.assert_close(of_row, of_batch[row : row + 1], **TIGHT)


@pytest.mark.parametrize("is_rearranged", [False, True])
def test_planning_is_linear_in_the_number_of_scales(is_rearranged):
    def calls(count):
        h = F.linear(x, ROWS, BIAS)
        for _ in range(count):
            h = SCALE * (h.unflatten(1, (2, 2)).flatten(1) if is_rearranged else h) + SHIFT
        output, seen = F.relu(h).sum(), [0]
        sys.setprofile(lambda frame, event, _: seen.__setitem__(0, seen[0] + 1))
        try:
            relevance(output, x, rules=EPSILON)
        finally:
            sys.setprofile(None)
        return seen[0]

    x = draw(2, 5).requires_grad_()
    assert calls(80) - calls(40) < 2.2 * (calls(40) - calls(20))
