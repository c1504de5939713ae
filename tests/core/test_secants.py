"""Secants of elementwise functions and softmaxes against their formulas in loops, and their precision."""

import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from mpmath import mpf

from lrp_domains import relevance_against
from lrp_domains.core.graph.operations import operation

from .against import TIGHT, assert_complete, double, explained, log_mean, numbers, scored, shapley, weights_of
from .examples import EXAMPLES, ROWS
from .test_activations import FUNCTIONS

pytestmark = pytest.mark.filterwarnings("error:.*is not accounted for")
# Of the examples with rows: elementwise functions of one tensor, also those of which autograd keeps only the result.
ELEMENTWISE = [
    name
    for name, f in ROWS.items()
    if operation(name.split(",")[0].split(".")[0] + "Backward0").function is not None
    and "complex" not in name
    and name != "GeLUFunction"  # rounds its constants to eight digits
    and len(inspect.signature(f).parameters) == 1
]
OF_TWO = ["Hypot", "Atan2", "Pow.1"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_elementwise_function_passes_on_what_its_value_rises_by(name):
    f, shape = EXAMPLES[name]
    x, b = numbers(2, *shape), numbers(2, *shape)
    x[0, 0], x[0, 1, :2], b[1, 2] = b[0, 0], -b[0, 1, :2], 0.0
    y1, y0 = f(x), f(b)
    g = weights_of(y1).tolist()
    expected = [[[g[j][k] * (y1[i, j, k] - y0[i, j, k]).item() for k in range(4)] for j in range(3)] for i in range(2)]
    torch.testing.assert_close(explained(f, x, b), double(expected), **TIGHT)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_secants_equal_those_of_fifty_digits(name):
    f, exact, points = FUNCTIONS[name]
    points = [p for p in points if abs(p) <= 7.0]
    x = torch.tensor([p for p in points for _ in points], dtype=torch.float64).view(-1, 1)
    b = torch.tensor([p for _ in points for p in points], dtype=torch.float64).view(-1, 1)
    values = {p: exact(mpf(p)) for p in points}
    expected = [[float(values[p] - values[q])] for p, q in zip(x[:, 0].tolist(), b[:, 0].tolist(), strict=True)]
    actual = relevance_against(lambda x: f(x)[:, 0], x, b)
    torch.testing.assert_close(actual, double(expected), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("name", OF_TWO)
def test_functions_of_two_tensors_get_the_mean_of_both_orders(name):
    f = EXAMPLES[name][0]
    ones, zeros = [numbers(2, 3) for _ in range(2)], [numbers(2, 3) for _ in range(2)]
    expected = shapley(f, ones, zeros)
    for actual, value in zip(explained(f, ones, zeros), expected, strict=True):
        torch.testing.assert_close(actual, value * weights_of(value), **TIGHT)


@pytest.mark.parametrize("f", [torch.logaddexp, torch.logaddexp2], ids=["logaddexp", "logaddexp2"])
def test_logaddexp_is_a_logsumexp(f):
    unit = math.log(2) if f is torch.logaddexp2 else 1.0
    ones, zeros = [numbers(2, 3) for _ in range(2)], [numbers(2, 3) for _ in range(2)]
    expected = explained(lambda a, b: torch.logsumexp(torch.stack([a, b]) * unit, 0) / unit, ones, zeros)
    for actual, value in zip(explained(f, ones, zeros), expected, strict=True):
        torch.testing.assert_close(actual, value, **TIGHT)


LARGEST = {
    "maximum": (torch.maximum, lambda a, b: b + torch.relu(a - b)),
    "fmax": (torch.fmax, lambda a, b: b + torch.relu(a - b)),
    "minimum": (torch.minimum, lambda a, b: b - torch.relu(b - a)),
    "clamp_min": (torch.clamp_min, lambda a, b: b + torch.relu(a - b)),
    "clamp_max": (torch.clamp_max, lambda a, b: b - torch.relu(b - a)),
    "clamp": (
        lambda a, b: torch.clamp(a, b - 0.5, b + 0.5),
        lambda a, b: torch.minimum(torch.maximum(a, b - 0.5), b + 0.5),
    ),
    "upper bound": (lambda a, b: torch.clamp(a, None, b), torch.minimum),
    "lower bound alone": (lambda a, b: torch.clamp(torch.ones_like(b), b, None) + a, lambda a, b: b.clamp_min(1) + a),
}


@pytest.mark.parametrize("name", LARGEST)
def test_the_larger_of_two_is_the_one_plus_a_relu_of_the_difference(name):
    f, by_relu = LARGEST[name]
    ones, zeros = [numbers(2, 6) for _ in range(2)], [numbers(2, 6) for _ in range(2)]
    zeros[0][0, 0], zeros[1][0, 0] = ones[0][0, 0], ones[1][0, 0]
    for actual, expected in zip(explained(f, ones, zeros), explained(by_relu, ones, zeros), strict=True):
        torch.testing.assert_close(actual, expected, **TIGHT)


# ---- Softmaxes


def softmax_by_loop(s1, s0, x1, x0, g, kind):
    """Return R of one row by logarithmic means of the probabilities."""
    means = [log_mean(a, b) for a, b in zip(s1, s0, strict=True)]
    total = sum(means)
    if kind == "softmax":
        slopes = [
            m * (g_i - sum(a * b for a, b in zip(g, means, strict=True)) / total)
            for m, g_i in zip(means, g, strict=True)
        ]
    elif kind == "log_softmax":
        slopes = [g_i - sum(g) * m / total for m, g_i in zip(means, g, strict=True)]
    else:
        slopes = [g[0] * m / total for m in means]
    return [(a - b) * slope for a, b, slope in zip(x1, x0, slopes, strict=True)]


SOFTMAXES = {
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "logsumexp": lambda x: x.logsumexp(-1, keepdim=True),
    "softmax, exp / sum": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
    "softmax, shared exp": lambda x: (lambda e: e / e.sum(-1, keepdim=True))((x - x.amax(-1, keepdim=True)).exp()),
    "softmax, reciprocal": lambda x: (lambda e: e * e.sum(-1, keepdim=True).reciprocal())(x.exp()),
    "softmax, of the logarithm": lambda x: x.log_softmax(-1).exp(),
}


@pytest.mark.parametrize("name", SOFTMAXES)
def test_softmaxes_equal_their_loop_however_they_are_written(name):
    x, b = numbers(3, 5) * 2, numbers(3, 5) * 2
    b[0], x[1, :2] = x[0], b[1, :2]
    y = SOFTMAXES[name](x)
    g = weights_of(y).tolist()
    probabilities = x.softmax(-1).tolist(), b.softmax(-1).tolist()
    rows = zip(*probabilities, x.tolist(), b.tolist(), strict=True)
    expected = [softmax_by_loop(*row, g, name.split(",")[0]) for row in rows]
    torch.testing.assert_close(explained(SOFTMAXES[name], x, b), double(expected), **TIGHT)


OVERFLOWING = {"softmax, exp / sum", "softmax, reciprocal"}  # which subtract no maximum


@pytest.mark.parametrize(
    ("name", "scale"),
    [(name, scale) for name in SOFTMAXES for scale in (1.0, 300.0, 3000.0) if scale == 1 or name not in OVERFLOWING],
)
def test_softmaxes_whose_exponentials_underflow_are_complete(name, scale):
    x, b = numbers(4, 5), numbers(4, 5)
    for x1, x0 in ((x * scale, b), (x, b * scale), (x * scale, b * scale)):
        assert_complete(scored(SOFTMAXES[name]), x1, x0)


def test_masked_entries_of_a_softmax_get_no_relevance():
    mask = torch.tensor([True, False, True, False])
    actual = explained(lambda x: x.masked_fill(mask, -torch.inf).softmax(-1), numbers(2, 4), numbers(2, 4))
    assert (actual[:, mask] == 0).all()
    assert (actual[:, ~mask] != 0).all()


# ---- Precision

SMALL = {torch.float64: 1e-9, torch.float32: 1e-4}
NETWORKS = {
    "activations": lambda x: F.gelu(x) + F.silu(x) * torch.tanh(x) + F.elu(x) + torch.sigmoid(x).exp(),
    "kinks": lambda x: F.relu(x) - F.leaky_relu(x - 0.1) + x.abs() + x.clamp(-0.5, 0.5),
    "products": lambda x: x * x.flip(1) * x.roll(1, 1) / (2 + x.square()),
    "softmax": lambda x: x.softmax(-1) * x,
    "norms": lambda x: F.layer_norm(x, (6,)) + x / (1 + x.norm(dim=1, keepdim=True)) + x.std(1, keepdim=True),
    "selections": lambda x: x.amax(1, keepdim=True) + x.sort(-1)[0] + torch.maximum(x, x.flip(1)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", SMALL, ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_small_differences_get_gradient_times_difference(name, dtype):
    b = numbers(8, 6).to(dtype)
    x = b + SMALL[dtype] * numbers(8, 6).to(dtype)
    x[:, 2] = b[:, 2]
    middle = ((x.double() + b.double()) / 2).requires_grad_()
    (slope,) = torch.autograd.grad(scored(NETWORKS[name])(middle).sum(), middle)
    run = x.double() - b.double()
    actual = explained(NETWORKS[name], x, b).double()
    assert (actual[:, 2] == 0).all()
    torch.testing.assert_close(actual, run * slope, rtol=2e-2, atol=5e-3 * run.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_half_precision_is_finite_and_near_float64(name, dtype):
    x, b = numbers(8, 6).to(dtype), numbers(8, 6).to(dtype)
    b[:, 1] = x[:, 1]
    actual = explained(NETWORKS[name], x, b).double()
    exact = explained(NETWORKS[name], x.double(), b.double())
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    assert (actual - exact).abs().max() <= tolerance * exact.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    "f",
    [torch.tanh, torch.sigmoid, lambda x: torch.tanh_(x * 1), lambda x: torch.sigmoid_(x * 1), lambda x: (-x).exp()],
    ids=["tanh", "sigmoid", "tanh in place", "sigmoid in place", "exp"],
)
def test_saturated_functions_keep_their_arguments(f, dtype):
    x = torch.tensor([[30.0, 30.0, 200.0, -30.0, 30.0]], dtype=dtype)
    b = torch.tensor([[20.0, 0.5, 0.5, 20.0, 30.0]], dtype=dtype)
    actual = relevance_against(lambda x: f(x).sum(1), x, b)
    torch.testing.assert_close(actual, f(x) - f(b), rtol=1e-5, atol=1e-7)
