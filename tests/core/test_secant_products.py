"""Secants of products, gates, attention and norms against their formulas in loops, however they are written."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import SECANT_HALF

from .against import TIGHT, assert_complete, double, explained, numbers, scored, shapley, weights_of
from .test_norms import EPS, NORMS
from .test_products import BY_HAND, PRODUCTS

pytestmark = pytest.mark.filterwarnings("error:.*is not accounted for")


def sides(n: int, *shape: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return n inputs and their references."""
    return [numbers(*shape) for _ in range(n)], [numbers(*shape) for _ in range(n)]


# ---- Products of N factors

NESTED = {
    "from the left": lambda f: math.prod(f[1:], start=f[0]),
    "from the right": lambda f: f[0] * NESTED["from the right"](f[1:]) if len(f) > 1 else f[0],
    "from the middle": lambda f: math.prod(f[: len(f) // 2]) * math.prod(f[len(f) // 2 :]),
    "along a dimension": lambda f: torch.stack(f).prod(0),
    "with signs and constants": lambda f: -(f[0] * 2 * -math.prod(f[1:-1], start=double([0.5]))) * f[-1],
}  # fmt: skip


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("name", NESTED)
def test_factors_get_the_shapley_value_however_they_are_bracketed(name, n):
    ones, zeros = sides(n, 2, 3)
    zeros[0][0, 0], ones[1][0, 1], zeros[-1][1] = ones[0][0, 0], 0.0, 0.0
    expected = shapley(lambda *f: math.prod(f), ones, zeros)
    for actual, value in zip(explained(lambda *f: NESTED[name](f), ones, zeros), expected, strict=True):
        torch.testing.assert_close(actual, value * weights_of(value), **TIGHT)


QUOTIENTS = {
    "quotient": (2, lambda a, b: a / b),
    "inverse": (2, lambda a, b: a * b.reciprocal()),
    "product over a factor": (3, lambda a, b, c: a * b / c),
    "factor over a product": (3, lambda a, b, c: a / (b * c)),
    "twice over": (3, lambda a, b, c: a / b / c),
    "of quotients": (4, lambda a, b, c, d: (a / b) * (c / d)),
    "over a quotient": (4, lambda a, b, c, d: (a * b) / (c / d)),
}  # fmt: skip


@pytest.mark.parametrize("name", QUOTIENTS)
def test_a_divisor_is_a_factor_by_its_inverse(name):
    n, f = QUOTIENTS[name]
    ones, zeros = ([x.sign() * (0.5 + x.abs()) for x in side] for side in sides(n, 2, 3))
    expected = shapley(f, ones, zeros)
    for actual, value in zip(explained(f, ones, zeros), expected, strict=True):
        torch.testing.assert_close(actual, value * weights_of(value), **TIGHT)


@pytest.mark.parametrize("name", PRODUCTS)
def test_two_factors_of_one_operation_get_the_mean_of_both_orders(name):
    ones, zeros = sides(2, 1, 3, 3)

    def f(a, b):
        return PRODUCTS[name](a[0], b[0]).reshape(1, -1)

    expected = shapley(scored(f), ones, zeros)
    for actual, value in zip(explained(f, ones, zeros), expected, strict=True):
        assert actual.sum().item() == pytest.approx(value.item(), rel=1e-10)


def test_a_matrix_product_equals_its_loop():
    (a1, b1), (a0, b0) = sides(2, 2, 3, 3)
    g = weights_of(a1)
    expected_a, expected_b = torch.zeros_like(a1), torch.zeros_like(a1)
    for n, i, j, k in torch.cartesian_prod(torch.arange(2), *[torch.arange(3)] * 3).tolist():
        expected_a[n, i, k] += (a1 - a0)[n, i, k] * (b1 + b0)[n, k, j] / 2 * g[i, j]
        expected_b[n, k, j] += (b1 - b0)[n, k, j] * (a1 + a0)[n, i, k] / 2 * g[i, j]
    for f in (torch.bmm, torch.matmul, lambda a, b: torch.einsum("nik,nkj->nij", a, b)):
        for actual, expected in zip(explained(f, (a1, b1), (a0, b0)), (expected_a, expected_b), strict=True):
            torch.testing.assert_close(actual, expected, **TIGHT)


TERNARY = {
    "addcmul": (3, lambda x, a, b: torch.addcmul(x, a, b, value=2), lambda x, a, b: x + 2 * a * b),
    "addcdiv": (3, lambda x, a, b: torch.addcdiv(x, a, 3 + b, value=2), lambda x, a, b: x + 2 * a / (3 + b)),
    "lerp": (3, torch.lerp, lambda x, end, w: x + w * (end - x)),
    "glu": (2, lambda a, b: F.glu(torch.cat([a, b], -1), -1), lambda a, b: a * b.sigmoid()),
    "swiglu": (2, lambda a, b: F.silu(a) * b, lambda a, b: a * a.sigmoid() * b),
    "square": (1, lambda x: x.square(), lambda x: x * x),
    "cube": (1, lambda x: x**3, lambda x: x * x * x),
}  # fmt: skip


@pytest.mark.parametrize("name", TERNARY)
def test_operations_that_hold_a_product_equal_it_written_out(name):
    n, fused, written = TERNARY[name]
    ones, zeros = sides(n, 2, 4)
    for actual, expected in zip(explained(fused, ones, zeros), explained(written, ones, zeros), strict=True):
        torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize("name", BY_HAND)
def test_activations_by_hand_equal_the_same_as_one_node(name):
    by_hand, node = BY_HAND[name]
    x, b = numbers(20, 5) * 2, numbers(20, 5) * 2
    torch.testing.assert_close(explained(by_hand, x, b), explained(node, x, b), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("run", ["cumprod", "prod"])
@pytest.mark.parametrize("dim", [1, 2, -1])
def test_running_products_equal_their_shapley_values(run, dim):
    x, b = numbers(2, 3, 3), numbers(2, 3, 3)
    x[0, 1, 1] = 0.0

    def f(x):
        return x.cumprod(dim) if run == "cumprod" else x.prod(dim, keepdim=True)

    def score(*parts):
        y = f(torch.stack(parts, dim))
        return (y * weights_of(y)).sum(dim)

    expected = torch.stack(shapley(score, x.unbind(dim), b.unbind(dim)), dim)
    torch.testing.assert_close(explained(f, x, b), expected, **TIGHT)


# ---- Attention

LENGTH = 5
MASK = torch.rand(2, 1, LENGTH, LENGTH, generator=torch.Generator().manual_seed(1)) > 0.4
MASK[..., 0] = True
NONE_IN_ONE_ROW = MASK[0, 0].clone()
NONE_IN_ONE_ROW[3] = False
MASKS = {
    "none": None, "one per sample": MASK, "one for all": MASK[0, 0], "per head": MASK[:, 0, None, :1],
    "nothing for one query": NONE_IN_ONE_ROW, "added": numbers(LENGTH, LENGTH, seed=2), "causal": "causal",
    "added per head": numbers(4, LENGTH, LENGTH, seed=3),
}  # fmt: skip


def attention_by_hand(q, k, v, mask, scale):
    k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
    scores = q @ k.mT * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return torch._safe_softmax(scores, -1) @ v


@pytest.mark.parametrize("block", [2**18, 40, 3])
@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("mask", MASKS)
def test_fused_attention_equals_the_same_written_out(mask, heads, block, monkeypatch):
    monkeypatch.setattr("lrp_domains.core.secants.attention._BLOCK", block)
    shapes = (2, 4, LENGTH, 3), (2, heads, LENGTH, 3), (2, heads, LENGTH, 3)
    ones, zeros = ([numbers(*shape) for shape in shapes] for _ in range(2))
    is_causal = mask == "causal"
    written = torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril() if is_causal else MASKS[mask]

    def fused(q, k, v):
        kept = None if is_causal else written
        return F.scaled_dot_product_attention(q, k, v, kept, is_causal=is_causal, scale=0.7, enable_gqa=heads < 4)

    expected = explained(lambda q, k, v: attention_by_hand(q, k, v, written, 0.7), ones, zeros)
    for actual, value in zip(explained(fused, ones, zeros), expected, strict=True):
        torch.testing.assert_close(actual, value, **TIGHT)


def test_queries_and_keys_get_half_under_secant_half():
    ones, zeros = sides(3, 2, 4, LENGTH, 3)
    for f in (F.scaled_dot_product_attention, lambda q, k, v: attention_by_hand(q, k, v, None, 3**-0.5)):
        whole, half = (explained(f, ones, zeros, **settings) for settings in ({}, {"rules": SECANT_HALF}))
        for actual, expected, share in zip(half, whole, (0.5, 0.5, 1.0), strict=True):
            torch.testing.assert_close(actual, expected * share, **TIGHT)


# ---- Norms


def norm_by_loop(x1, x0, w, g, centred):
    """Return R of one group: the exact split of y = c r w, the secants of r and of the centring."""
    n = len(x1)
    c1, c0 = ([v - (sum(x) / n if centred else 0.0) for v in x] for x in (x1, x0))
    m1, m0 = (sum(v * v for v in c) / n + EPS for c in (c1, c0))
    r1, r0 = m1**-0.5, m0**-0.5
    of_m = sum(g[j] * w[j] * (c1[j] + c0[j]) / 2 for j in range(n)) * (r1 - r0) / (m1 - m0)
    of_c = [g[i] * w[i] * (r1 + r0) / 2 + of_m * (c1[i] + c0[i]) / n for i in range(n)]
    mean = sum(of_c) / n if centred else 0.0
    return [(x1[i] - x0[i]) * (of_c[i] - mean) for i in range(n)]


@pytest.mark.parametrize("name", NORMS)
def test_norms_equal_their_loop_however_they_are_written(name):
    norm, centred = NORMS[name]
    x, b, w, bias = numbers(3, 4), numbers(3, 4), numbers(4), numbers(4)
    g = weights_of(x).tolist()
    expected = [norm_by_loop(*rows, w.tolist(), g, centred) for rows in zip(x.tolist(), b.tolist(), strict=True)]
    torch.testing.assert_close(explained(lambda x: norm(x, w, bias), x, b), double(expected), **TIGHT)


@pytest.mark.parametrize(
    ("groups", "norm"),
    [
        (2, torch.nn.GroupNorm(2, 4, EPS)), (4, torch.nn.InstanceNorm1d(4, EPS, affine=True)),
        (1, torch.nn.LayerNorm((4, 3), EPS)),
    ],
    ids=["group", "instance", "layer over two dimensions"],
)  # fmt: skip
def test_grouped_norms_equal_the_loop_of_each_group(groups, norm):
    norm = norm.double()
    norm.weight.data = numbers(*norm.weight.shape)
    w = norm.weight.detach() if norm.weight.ndim > 1 else norm.weight.detach().view(4, 1).expand(4, 3)
    x, b = numbers(2, 4, 3), numbers(2, 4, 3)
    actual = explained(norm, x, b)
    for row in range(2):
        parts = (t.reshape(groups, -1).tolist() for t in (x[row], b[row], w, weights_of(x)))
        expected = [norm_by_loop(*group, True) for group in zip(*parts, strict=True)]
        torch.testing.assert_close(actual[row].reshape(groups, -1), double(expected), **TIGHT)


@pytest.mark.parametrize("kind", ["layer", "group", "instance", "batch"])
def test_weights_of_norms_that_are_computed_get_their_share(kind):
    norms = {
        "layer": lambda x, w, b: F.layer_norm(x, (4,), w[0, 0], b[0, 1]),
        "group": lambda x, w, b: F.group_norm(x, 1, w[0, :, 0], b[0, :, 1]),
        "instance": lambda x, w, b: F.instance_norm(x, weight=w[0, :, 0], bias=b[0, :, 1]),
        "batch": lambda x, w, b: F.batch_norm(x, double([0.1] * 3), double([0.5] * 3), w[0, :, 0], b[0, :, 1]),
    }
    ones, zeros = sides(3, 1, 3, 4)
    assert all(part.any() for part in assert_complete(scored(norms[kind]), ones, zeros, 1e-12))
