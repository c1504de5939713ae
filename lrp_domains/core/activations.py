"""The identity rule for elementwise activations.

AttnLRP (Achtibat et al. 2024, eq. 9) hands the relevance of ``y = f(x)`` on to ``x`` as it is: ``R_x = R_y``, that is
``g_x = g_y * f(x) / x``. Each row of the table is that quotient, in a form that is finite everywhere: closed where
there is one, else ``f(x) / x`` with its limit ``f'(0)`` at 0.

Where ``f(0)`` is not 0 the quotient has no limit. Then ``f(0)`` is what the activation adds by itself, a constant
like a bias, and the rest is handed on: ``g_x = g_y * (f(x) - f(0)) / x``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from .errors import RelevanceError
from .operations import operation
from .rule import Grads, Node, Rule, Slots

Tensor = torch.Tensor


def quotient(fx: Tensor, x: Tensor, limit: float | Tensor) -> Tensor:
    """``fx / x``, and ``limit`` where x is 0."""
    zero = x == 0
    return torch.where(zero, limit, fx / x.masked_fill(zero, 1.0))


def near_zero(fx: Tensor, x: Tensor, series: Tensor) -> Tensor:
    """``fx / x``, and its power series for small x, where ``fx = f(x) - f(0)`` loses its digits."""
    small = x.abs() < (1e-2 if x.dtype == torch.float64 else 1e-1)
    return torch.where(small, series, fx / x.masked_fill(small, 1.0))


def _gelu(node: Node) -> Tensor:
    x = wide(node._saved_self)
    if node._saved_approximate == "tanh":
        return _tanh_gelu(x)
    return torch.erfc(x * -math.sqrt(0.5)).mul_(0.5)  # the normal distribution function


def _gelu_function(node: Node) -> Tensor:
    """Bloom's own autograd Function for the tanh GELU."""
    if len(node.saved_tensors) != 1:
        raise RelevanceError(f"{node.name()} is not the GELU it is known as: give it a rule (rules.for_nodes)")
    return _tanh_gelu(wide(node.saved_tensors[0]))


def _tanh_gelu(x: Tensor) -> Tensor:
    return torch.sigmoid(x * (2 * math.sqrt(2 / math.pi)) * (1 + 0.044715 * x * x))  # 0.5 (1 + tanh u) = sigmoid(2 u)


def _silu(node: Node) -> Tensor:
    return torch.sigmoid(wide(node._saved_self))


def _tanh(node: Node) -> Tensor:
    # Only y was kept. Where y has rounded to 1, x is lost; the nearest value below stands for it.
    y = node._saved_result
    top = 1 - torch.finfo(y.dtype).eps / 2
    y = wide(y).clamp(-top, top)
    return quotient(y, torch.atanh(y), 1.0)


def _elu(node: Node) -> Tensor:
    a, s, t = node._saved_alpha, node._saved_scale, node._saved_input_scale
    x = _argument(node, lambda y: torch.where(y > 0, y / s, torch.log1p(y / (a * s)) / t))
    return torch.where(x > 0, s, quotient(a * s * torch.expm1((t * x).clamp(max=0)), x, a * s * t))


def _celu(node: Node) -> Tensor:
    a = node._saved_alpha
    x = _argument(node, lambda y: torch.where(y > 0, y, a * torch.log1p(y / a)))
    return torch.where(x > 0, 1.0, quotient(a * torch.expm1((x / a).clamp(max=0)), x, 1.0))


def _mish(node: Node) -> Tensor:
    return torch.tanh(torch.nn.functional.softplus(wide(node._saved_self)))


def _hardswish(node: Node) -> Tensor:
    return (wide(node._saved_self) + 3).clamp(0, 6) / 6


def _hardtanh(node: Node) -> Tensor:
    x, low, high = wide(node._saved_self), node._saved_min_val, node._saved_max_val
    fx = x.clamp(low, high) - min(max(0.0, low), high)
    return quotient(fx, x, float(low < 0 < high))


def _shrink(node: Node) -> Tensor:
    x, size = wide(node._saved_self), node._saved_lambd
    y = torch.nn.functional.softshrink(x, size) if "Soft" in node.name() else torch.where(x.abs() > size, x, 0.0)
    return quotient(y, x, 0.0)


def _sigmoid(node: Node) -> Tensor:
    y = _inside(node._saved_result)
    x = torch.logit(y)
    return near_zero(y - 0.5, x, 0.25 - x**2 / 48 + x**4 / 480)


def _hardsigmoid(node: Node) -> Tensor:
    x = wide(node._saved_self)
    return quotient((x / 6).clamp(-0.5, 0.5), x, 1 / 6)


def _log_sigmoid(node: Node) -> Tensor:
    x = wide(node._saved_self)
    return near_zero(torch.nn.functional.logsigmoid(x) + math.log(2), x, 0.5 - x / 8 + x**3 / 192)


def _softplus(node: Node) -> Tensor:
    x, b = wide(node._saved_self), node._saved_beta
    y = torch.nn.functional.softplus(x, b, node._saved_threshold) - math.log(2) / b
    return near_zero(y, x, 0.5 + b * x / 8 - (b * x) ** 3 / 192)


def _exp(node: Node) -> Tensor:
    y = wide(node._saved_result).clamp_min(torch.finfo(node._saved_result.dtype).tiny)
    x = torch.log(y)
    return near_zero(y - 1, x, 1 + x / 2 + x * x / 6 + x**3 / 24 + x**4 / 120)


def _expm1(node: Node) -> Tensor:
    y = wide(node._saved_result).clamp_min(torch.finfo(node._saved_result.dtype).eps / 2 - 1)
    return quotient(y, torch.log1p(y), 1.0)


def _cos(node: Node) -> Tensor:
    x = wide(node._saved_self)
    return quotient(-2 * torch.sin(x / 2) ** 2, x, 0.0)


def _argument(node: Node, inverse: Callable[[Tensor], Tensor]) -> Tensor:
    """x, which a node that worked in place has overwritten: then it is had from y."""
    return wide(node._saved_self) if hasattr(node, "_saved_self") else inverse(wide(node._saved_result))


def _of_self(f: Callable[[Tensor], Tensor], slope: float) -> Callable[[Node], Tensor]:
    """f(x) / x for a function with f(0) = 0 and f'(0) = slope, whose node keeps x."""

    def row(node: Node) -> Tensor:
        x = wide(node._saved_self)
        return quotient(f(x), x, slope)

    return row


def wide(x: Tensor) -> Tensor:
    """Half precision is too coarse for a quotient of small numbers."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _inside(y: Tensor) -> Tensor:
    """A sigmoid's result, kept off the 0 and 1 it may have rounded to."""
    eps = torch.finfo(y.dtype).eps
    return wide(y).clamp(torch.finfo(y.dtype).tiny, 1 - eps / 2)


# f(x) / x for each.
QUOTIENTS = {
    "Gelu": _gelu,
    "GeLUFunction": _gelu_function,
    "Silu": _silu,
    "Tanh": _tanh,
    "Elu": _elu,
    "Celu": _celu,
    "Mish": _mish,
    "Hardswish": _hardswish,
    "Hardtanh": _hardtanh,
    "Softshrink": _shrink,
    "Hardshrink": _shrink,
    "Sigmoid": _sigmoid,
    "Hardsigmoid": _hardsigmoid,
    "LogSigmoid": _log_sigmoid,
    "Softplus": _softplus,
    "Exp": _exp,
    "Expm1": _expm1,
    "Log1P": _of_self(torch.log1p, 1.0),
    "Erf": _of_self(torch.erf, 2 / math.sqrt(math.pi)),
    "Sin": _of_self(torch.sin, 1.0),
    "Cos": _cos,
    "Atan": _of_self(torch.atan, 1.0),
    "Sinh": _of_self(torch.sinh, 1.0),
}

# Homogeneous functions of degree p, f(a x) = a^p f(x): by Euler's theorem x f'(x) = p f(x), so the identity rule is
# the derivative over p. This also holds for the non-elementwise ones.
DEGREES = {
    "Sqrt": 0.5, "Rsqrt": -0.5, "Reciprocal": -1.0, "Std": 1.0, "Var": 2.0, "LinalgVectorNorm": 1.0, "Norm": 1.0,
    "StdMean": 1.0, "VarMean": 2.0,  # of their spread
}  # fmt: skip


def degree(node: Node) -> float | None:
    """The degree of a homogeneous operation, None for any other."""
    base = operation(node.name()).base
    return node._saved_exponent if base == "Pow" else DEGREES.get(base)


def identity_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g = go[0]
    base = operation(node.name()).base
    if base in QUOTIENTS:
        ratio = QUOTIENTS[base](node)
        return ((ratio * g).to(g.dtype), *gi[1:])
    p = degree(node)
    return (gi[0] / p if p else gi[0], *gi[1:])


identity = Rule("identity", backward=identity_backward)
"""``R_x = R_y``: an activation hands relevance on (Achtibat et al. 2024, eq. 9)."""
