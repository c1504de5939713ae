"""Elementwise functions, one row each. A new activation is one line here.

The identity rule (AttnLRP, Achtibat et al. 2024, eq. 9) passes the relevance of ``y = f(x)`` on to x unchanged, ``R_x =
R_y``. The value ``f(0)`` is a constant like a bias, so ``g_x = g_y (f(x) - f(0)) / x``, and its limit ``g_y f'(0)``
where x is 0. A row holds f and, where these formulas would lose digits, the difference or the quotient in closed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional as F

Tensor = torch.Tensor


@dataclass(frozen=True)
class Function:
    """An elementwise function.

    Attributes
    ----------
    f
        ``f(x, *settings)``; for two tensors ``f(x, y)``.
    settings
        The names under which autograd keeps the settings.
    tensors
        The names under which it keeps the arguments, slot by slot.
    ratio
        ``(f(x) - f(0)) / x`` in closed form, as a new tensor.
    rise
        ``f(x) - f(0)`` in closed form.
    inverse
        x from ``f(x)``, where autograd keeps only the result (always, or when the function works in place).
    lost
        Where the result has rounded to a bound, so that the argument can't be recovered.
    homogeneous
        ``f(a x) = a f(x)`` for ``a > 0``: the identity rule is the derivative.
    """

    f: Callable[..., Tensor]
    settings: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ("self",)
    ratio: Callable[..., Tensor] | None = None
    rise: Callable[..., Tensor] | None = None
    inverse: Callable[..., Tensor] | None = None
    lost: Callable[..., Tensor] | None = None
    homogeneous: bool = False

    def risen(self, x: Tensor, *settings) -> Tensor:
        """Return ``f(x) - f(0)``."""
        if self.rise is not None:
            return self.rise(x, *settings)
        return self.f(x, *settings) - self.f(torch.zeros_like(x), *settings)


def wide(x: Tensor) -> Tensor:
    """Convert half precision, which is too coarse for a quotient of small numbers, to float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def secant(f: Callable[[Tensor], Tensor], x: Tensor, x0: Tensor) -> Tensor:
    """Return ``(f(x) - f(x0)) / (x - x0)``, or the slope halfway between them where they are too close for that."""
    x0 = x0.expand_as(x)
    rise = x - x0
    small = rise.abs() < torch.finfo(x.dtype).eps ** (1 / 3) * (1 + x.abs())
    ratio = (f(x) - f(x0)) / rise.masked_fill(small, 1.0)
    if not small.any():
        return ratio

    with torch.enable_grad():
        middle = ((x + x0) / 2).detach().requires_grad_()
        (slope,) = torch.autograd.grad(f(middle).sum(), middle)
    return torch.where(small, slope, ratio)


def _row(f: Callable[..., Tensor], settings: str = "", tensors: str = "self", **rest) -> Function:
    return Function(f, tuple(settings.split()), tuple(tensors.split()), **rest)


# ---- The argument, recovered from the result; one that has rounded to a bound is moved to the nearest value inside.


def _above(y: Tensor, low: float) -> Tensor:
    if y.is_complex():
        return y
    return y.clamp_min(low + torch.finfo(y.dtype).eps / 2 if low else torch.finfo(y.dtype).tiny)


def _below(y: Tensor, high: float) -> Tensor:
    return y if y.is_complex() else y.clamp_max(high - torch.finfo(y.dtype).eps / 2)


def _is_beyond(y: Tensor) -> Tensor:
    """Return whether an exponential has lost digits or is infinite."""
    return (y < torch.finfo(y.dtype).tiny) | y.isinf()


def _has_lost_half(y: Tensor) -> Tensor:
    """Return whether a result is so close to 1 or -1 that its argument has lost half of its digits."""
    return 1 - y.abs() < torch.finfo(y.dtype).eps ** 0.5


def _of_elu(y: Tensor, a: float, s: float, t: float) -> Tensor:
    return torch.where(y > 0, y / s, torch.log1p(_above(y / (a * s), -1.0)) / t)


def _of_celu(y: Tensor, a: float) -> Tensor:
    return torch.where(y > 0, y, a * torch.log1p(_above(y / a, -1.0)))


# ---- Closed forms


def _expm1_ratio(x: Tensor) -> Tensor:
    zero = x == 0
    return torch.where(zero, 1.0, torch.expm1(x) / x.masked_fill(zero, 1.0))


def _elu_ratio(x: Tensor, a: float, s: float, t: float) -> Tensor:
    return torch.where(x > 0, s, a * s * t * _expm1_ratio((t * x).clamp(max=0)))


def _elu(x: Tensor, a: float, s: float, t: float) -> Tensor:
    return torch.where(x > 0, s * x, a * s * torch.expm1((t * x).clamp(max=0)))


def _gelu(x: Tensor, approximate: str) -> Tensor:
    return F.gelu(x, approximate=approximate)


def _gelu_ratio(x: Tensor, approximate: str) -> Tensor:
    if approximate == "tanh":  # 0.5 (1 + tanh u) = sigmoid(2 u)
        return (x * x).mul_(0.044715).add_(1.0).mul_(x).mul_(2 * math.sqrt(2 / math.pi)).sigmoid_()
    return (x * -math.sqrt(0.5)).erfc_().mul_(0.5)  # the normal distribution function


def _softplus_rise(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Compute ``log((1 + exp(b x)) / 2) / b``, and ``x - log(2) / b`` beyond the threshold."""
    u = x * beta
    rise = u.clamp(min=0) + torch.log1p(torch.expm1(-u.abs()) / 2)
    return torch.where(u > threshold, x - math.log(2) / beta, rise / beta)


def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    return torch.where(x > 0, x, weight * x)


def _clamp(x: Tensor, low, high) -> Tensor:
    return x if low is None and high is None else torch.clamp(x, low, high)


_LN2 = math.log(2)

FUNCTIONS = {
    # ---- Activations
    "Gelu": _row(_gelu, "approximate", ratio=_gelu_ratio),
    "GeLUFunction": _row(  # Bloom's autograd Function
        lambda x: _gelu(x, "tanh"), tensors="tensors", ratio=lambda x: _gelu_ratio(x, "tanh")
    ),
    "Silu": _row(F.silu, ratio=torch.sigmoid),
    "Mish": _row(F.mish, ratio=lambda x: torch.tanh(F.softplus(x))),
    "Hardswish": _row(F.hardswish, ratio=lambda x: (x + 3).clamp(0, 6) / 6),
    "Elu": _row(
        _elu, "alpha scale input_scale", ratio=_elu_ratio, inverse=_of_elu, lost=lambda y, a, s, t: y <= -a * s
    ),
    "Celu": _row(
        F.celu, "alpha", ratio=lambda x, a: _elu_ratio(x, a, 1.0, 1 / a), inverse=_of_celu, lost=lambda y, a: y <= -a
    ),
    "Tanh": _row(torch.tanh, inverse=lambda y: torch.atanh(_above(_below(y, 1.0), -1.0)), lost=_has_lost_half),
    "Hardtanh": _row(torch.clamp, "min_val max_val"),
    "Softshrink": _row(F.softshrink, "lambd"),
    "Hardshrink": _row(F.hardshrink, "lambd"),
    "LogSigmoid": _row(F.logsigmoid, rise=lambda x: -_softplus_rise(-x)),
    "Softplus": _row(F.softplus, "beta threshold", rise=_softplus_rise),
    "Sigmoid": _row(
        torch.sigmoid,
        rise=lambda x: torch.tanh(x / 2) / 2,
        inverse=lambda y: torch.logit(_below(_above(y, 0.0), 1.0)),
        lost=lambda y: _is_beyond(y) | _has_lost_half(y),
    ),
    "Hardsigmoid": _row(F.hardsigmoid, ratio=lambda x: (0.5 / x.abs()).clamp(max=1 / 6)),
    # ---- Piecewise linear
    "Relu": _row(torch.relu, homogeneous=True),
    "LeakyRelu": _row(F.leaky_relu, "negative_slope", homogeneous=True),
    "RreluWithNoise": _row(lambda x, low, high: F.leaky_relu(x, (low + high) / 2), "lower upper", homogeneous=True),
    "PreluKernel": _row(_prelu, "weight", homogeneous=True),
    "Abs": _row(torch.abs, homogeneous=True),
    "NanToNum": _row(torch.nan_to_num, homogeneous=True),
    "Threshold": _row(lambda x, threshold: torch.where(x > threshold, x, 0.0), "threshold", homogeneous=True),
    "Clamp": _row(_clamp, "min max"),
    "ClampMin": _row(lambda x, low: _clamp(x, low, None), "min"),
    "ClampMax": _row(lambda x, high: _clamp(x, None, high), "max"),
    "Maximum": _row(torch.maximum, tensors="self other"),
    "Minimum": _row(torch.minimum, tensors="self other"),
    "Fmax": _row(torch.fmax, tensors="self other"),
    "Fmin": _row(torch.fmin, tensors="self other"),
    # ---- Exponentials and logarithms
    "Exp": _row(torch.exp, rise=torch.expm1, inverse=lambda y: torch.log(_above(y, 0.0)), lost=_is_beyond),
    "Exp2": _row(
        torch.exp2,
        rise=lambda x: torch.expm1(x * _LN2),
        inverse=lambda y: torch.log2(_above(y, 0.0)),
        lost=_is_beyond,
    ),
    "Expm1": _row(torch.expm1, inverse=lambda y: torch.log1p(_above(y, -1.0)), lost=lambda y: y <= -1),
    "Pow2": _row(lambda x, base: torch.pow(base, x), "self", "exponent"),
    "Log": _row(torch.log),
    "Log2": _row(torch.log2),
    "Log10": _row(torch.log10),
    "Log1P": _row(torch.log1p),
    "Logaddexp": _row(torch.logaddexp, tensors="self other"),
    "Logaddexp2": _row(torch.logaddexp2, tensors="self other"),
    # ---- Others
    "Erf": _row(torch.erf),
    "Erfc": _row(torch.erfc, rise=lambda x: -torch.erf(x)),
    "Erfinv": _row(torch.erfinv),
    "Sin": _row(torch.sin),
    "Cos": _row(torch.cos, rise=lambda x: -2 * torch.sin(x / 2) ** 2),
    "Tan": _row(torch.tan, inverse=torch.atan),
    "Asin": _row(torch.asin),
    "Acos": _row(torch.acos, rise=lambda x: -torch.asin(x)),
    "Atan": _row(torch.atan),
    "Sinh": _row(torch.sinh),
    "Cosh": _row(torch.cosh, rise=lambda x: 2 * torch.sinh(x / 2) ** 2),
    "Asinh": _row(torch.asinh),
    "Acosh": _row(torch.acosh),
    "Atanh": _row(torch.atanh),
    "Sinc": _row(torch.sinc),
    "Hypot": _row(torch.hypot, tensors="self other"),
    "Atan2": _row(torch.atan2, tensors="self other"),
    "Pow1": _row(torch.pow, tensors="self exponent"),
    # ---- Powers: homogeneous of some degree, so the identity rule is the derivative over that degree (Euler's theorem)
    "Pow": _row(torch.pow, "exponent"),
    "Sqrt": _row(torch.sqrt, inverse=torch.square),
    "Rsqrt": _row(torch.rsqrt, inverse=lambda y: y**-2.0),
    "Reciprocal": _row(torch.reciprocal, inverse=torch.reciprocal),
}
