"""The identity rule against (f(x) - f(0)) / x in fifty digits, and its precision in lower dtypes."""

import math

import mpmath
import pytest
import torch
import torch.nn.functional as F
from mpmath import mpf

from lrp_domains import CP_LRP, relevance

mpmath.mp.dps = 50
POINTS = [0.0, 1e-10, -1e-10, 1e-3, -1e-3, 0.0099, -0.0099, 0.0101, -0.0101, 0.5, -0.7, 1.0, -1.0, 2.9, -2.9, 7.0, -7.0]
# Not for functions of which only the result is kept: large results have rounded to a constant, and x is lost.
LARGE = [20.0, -20.0, 80.0, -80.0]


def softplus(x, beta=1):
    return mpmath.log(1 + mpmath.exp(beta * x)) / beta


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def clip(x, low, high):
    return min(max(x, mpf(low)), mpf(high))


def elu(x, alpha=1, scale=1):
    return scale * x if x > 0 else scale * alpha * mpmath.expm1(x)


SELU = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

# torch's function, the same function in many digits, and the points to compare them at.
FUNCTIONS = {
    "gelu": (F.gelu, lambda x: x * mpmath.ncdf(x), POINTS + LARGE),
    "gelu, tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: x / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x**3))),
        [*POINTS, 20.0, 80.0],
    ),
    "silu": (F.silu, lambda x: x * sigmoid(x), POINTS + LARGE),
    "tanh": (torch.tanh, mpmath.tanh, POINTS),
    "elu": (lambda x: F.elu(x, 1.3), lambda x: elu(x, mpf(1.3)), POINTS + LARGE),
    "elu in place": (lambda x: F.elu(x * 1, 1.3, inplace=True), lambda x: elu(x, mpf(1.3)), POINTS),
    "selu": (F.selu, lambda x: elu(x, mpf(SELU[0]), mpf(SELU[1])), POINTS + LARGE),
    "celu": (lambda x: F.celu(x, 0.7), lambda x: x if x > 0 else mpf(0.7) * mpmath.expm1(x / mpf(0.7)), POINTS + LARGE),
    "mish": (F.mish, lambda x: x * mpmath.tanh(softplus(x)), POINTS + LARGE),
    "hardswish": (F.hardswish, lambda x: x * clip(x + 3, 0, 6) / 6, POINTS + LARGE),
    "hardtanh": (F.hardtanh, lambda x: clip(x, -1, 1), POINTS + LARGE),
    "hardtanh off zero": (lambda x: F.hardtanh(x, 0.5, 2.0), lambda x: clip(x, 0.5, 2), POINTS + LARGE),
    "relu6": (F.relu6, lambda x: clip(x, 0, 6), POINTS + LARGE),
    "softshrink": (
        lambda x: F.softshrink(x, 0.3),
        lambda x: mpmath.sign(x) * max(abs(x) - mpf(0.3), 0),
        POINTS + LARGE,
    ),
    "hardshrink": (lambda x: F.hardshrink(x, 0.3), lambda x: x if abs(x) > mpf(0.3) else mpf(0), POINTS + LARGE),
    "sigmoid": (torch.sigmoid, sigmoid, POINTS),
    "hardsigmoid": (F.hardsigmoid, lambda x: clip(x + 3, 0, 6) / 6, POINTS + LARGE),
    "logsigmoid": (F.logsigmoid, lambda x: -softplus(-x), POINTS + LARGE),
    "softplus": (lambda x: F.softplus(x, 2.0), lambda x: softplus(x, 2), POINTS),
    "exp": (torch.exp, mpmath.exp, POINTS + LARGE),
    "expm1": (torch.expm1, mpmath.expm1, POINTS),
    "log1p": (torch.log1p, mpmath.log1p, [p for p in POINTS if p > -1] + [20.0, 80.0]),
    "erf": (torch.erf, mpmath.erf, POINTS + LARGE),
    "sin": (torch.sin, mpmath.sin, POINTS + LARGE),
    "cos": (torch.cos, mpmath.cos, POINTS + LARGE),
    "atan": (torch.atan, mpmath.atan, POINTS + LARGE),
    "sinh": (torch.sinh, mpmath.sinh, POINTS + LARGE),
    "cube": (lambda x: x**3, lambda x: x**3, POINTS + LARGE),
    "square root": (torch.sqrt, mpmath.sqrt, [1e-10, 0.5, 2.0, 80.0]),
}


def coefficient(f, x: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Return the coefficient at x, relevance / x, without dividing by x."""
    probe = torch.ones_like(x, requires_grad=True)
    # x + (probe - 1) is x, and the sum passes the coefficient on to the probe, which is 1: R(probe) = 1 * coefficient.
    return relevance((f(x + (probe - 1)) * g).sum(), probe)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_quotient_of_every_function_is_exact(name):
    f, exact, points = FUNCTIONS[name]
    x, g = torch.tensor(points, dtype=torch.float64), torch.linspace(-2, 3, len(points), dtype=torch.float64)
    coefficients = coefficient(f, x, g)
    at_zero = exact(mpf(0))
    for point, factor, value in zip(points, g.tolist(), coefficients.tolist(), strict=True):
        limit = point == 0 or abs(point) < 1e-9
        quotient = mpmath.diff(exact, 0, direction=-1) if point == 0 else (exact(mpf(point)) - at_zero) / mpf(point)
        expected = float(mpf(factor) * quotient)
        # x is recovered from a result with 16 digits, many of which tanh and the sigmoid lose near 7 and -7.
        kept_result = name in ("tanh", "sigmoid", "elu in place", "expm1") and abs(point) > 2
        assert value == pytest.approx(expected, rel=1e-8 if kept_result else 1e-10, abs=1e-9 if limit else 1e-13), point


SIXTEEN_BITS = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


@pytest.mark.parametrize("dtype", [torch.float32, *SIXTEEN_BITS], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_coefficients_are_finite_and_near_float64_in_every_dtype(name, dtype):
    """They are within rounding of float64 at the same (rounded) points, and finite at 0, +-1e-10 and huge values."""
    f, _, points = FUNCTIONS[name]
    huge = (
        [] if name in ("exp", "expm1", "sinh", "cube") else [3e4] if name in ("log1p", "square root") else [3e4, -3e4]
    )
    x = torch.tensor([*points, *huge], dtype=dtype)
    x = x[x > 0] if name == "square root" else x[x > -1] if name == "log1p" else x
    x = x[f(x.double()).abs() < torch.finfo(dtype).max]
    actual = coefficient(f, x, torch.ones_like(x)).double()
    assert actual.isfinite().all()
    if name in ("tanh", "sigmoid", "elu in place", "expm1", "exp"):
        x, actual = (
            x[x.abs() < 1.5],
            actual[x.abs() < 1.5],
        )  # for larger x the kept result has too few digits: see below
    exact = coefficient(f, x.double(), torch.ones_like(x).double())
    rtol = SIXTEEN_BITS.get(dtype, 2e-6)
    kept = 8 if name in ("tanh", "sigmoid", "elu in place", "expm1", "exp", "cube", "square root", "sinh") else 1
    torch.testing.assert_close(actual, exact, rtol=kept * rtol, atol=kept * rtol * 0.1)


@pytest.mark.parametrize(("f", "top"), [(torch.tanh, 8.664), (torch.sigmoid, 16.64)], ids=["tanh", "sigmoid"])
def test_a_saturated_result_counts_as_the_largest_unsaturated_one(f, top):
    """x = 30 is lost in float32; its coefficient is that of the largest x whose result isn't rounded to 1."""
    actual = coefficient(f, torch.tensor([30.0]), torch.ones(1)).item()
    rise = (f(torch.tensor(top)) - f(torch.tensor(0.0))).item()
    assert actual == pytest.approx(rise / top, rel=1e-3)


def test_the_value_of_a_function_at_zero_is_a_leaf():
    from lrp_domains import ledger

    x = torch.randn(5, dtype=torch.float64, requires_grad=True)
    account = ledger(torch.sigmoid(x), x, rules=CP_LRP)
    assert account.leaves == {"(Sigmoid at 0)": pytest.approx(2.5)}
    assert account.balanced(1e-12)


def test_log_of_1_plus_x_follows_the_identity_rule_of_log1p():
    """A bare logarithm has no value at 0 and is refused (test_errors_of_operations.py)."""
    x = torch.rand(7, dtype=torch.float64, requires_grad=True)
    for f in (lambda x: torch.log(1 + x), lambda x: torch.log2(x + 1) * math.log(2)):
        torch.testing.assert_close(relevance(f(x).sum(), x), torch.log1p(x).detach(), rtol=1e-12, atol=1e-14)
