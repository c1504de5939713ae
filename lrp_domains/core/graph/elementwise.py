"""Elementwise functions in a graph: the argument that autograd kept, and f with its settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

from .functions import wide
from .operations import OPERATIONS, Node, Operation, operation_of
from .questions import question
from .saved import has, keeps, read, unpacking

Tensor = torch.Tensor


def inverted(node: Node, y: Tensor) -> Tensor:
    """Return the argument of a function that kept only its result."""
    op = operation_of(node)
    return op.function.inverse(y, *settings_of(node, op))


def argument(node: Node, slot: int = 0) -> Tensor:
    """Return the argument of an elementwise function, as it was kept or computed from the result."""
    name = operation_of(node).tensors[slot]
    return wide(read(node, name)) if keeps(node, name) else inverted(node, wide(read(node, "result")))


def is_lost(node: Node, y: Tensor) -> bool:
    """Return whether some arguments of a function can't be recovered from its result."""
    op = operation_of(node)
    if op.function.inverse is None or y.is_complex():  # the logarithm of a complex number has many values
        return True
    return op.function.lost is not None and bool(op.function.lost(y, *settings_of(node, op)).any())


@question
def has_lost(node: Node) -> bool:
    """Return whether some arguments of a function can't be recovered from the result that it keeps."""
    return is_lost(node, wide(read(node, "result").detach()))


def applied(node: Node, slot: int = 0, x: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """Return an elementwise function of only the argument at a slot; x is that argument, if it is available."""
    op = operation_of(node)
    if len(op.tensors) > 1:
        other = _other(node, op, slot, x)
        return (lambda x: op.function.f(x, other)) if slot == 0 else (lambda x: op.function.f(other, x))
    settings = settings_of(node, op)
    return lambda x: op.function.f(x, *settings)


def settings_of(node: Node, op: Operation) -> tuple:
    """Return the settings of a function."""
    return tuple(read(node, name) for name in op.function.settings)


def _other(node: Node, op: Operation, slot: int, x: Tensor | None) -> Tensor:
    """Return the other argument of a function of two tensors."""
    name = op.tensors[1 - slot]
    if keeps(node, name):
        return wide(read(node, name).detach())

    # Of a hypotenuse, autograd may keep the result in place of an argument.
    x = wide(read(node, op.tensors[slot]).detach()) if x is None else x
    y = wide(read(node, "result").detach())
    return ((y - x) * (y + x)).clamp_min(0).sqrt()


@cache
def _near_zero(base: str, settings: tuple) -> tuple[float, bool]:
    """Return f(0), and whether f(x) is x near 0."""
    x = torch.tensor([0.0, 1e-3, -1e-3], dtype=torch.float64)
    y = OPERATIONS[base].function.f(x, *settings)
    return y[0].item(), bool((y == x).all())


def is_zero_at_zero(node: Node, slot: int) -> bool:
    """Return whether f(0) is 0; a function whose settings a checkpoint would recompute counts as 0 there."""
    op = operation_of(node)
    if op.function.homogeneous:
        return True

    other_names = [name for name in (*op.tensors, *op.function.settings) if name != op.tensors[slot]]
    if any(unpacking(node, name) is not None for name in other_names):
        return True

    # Settings that are numbers allow a cached answer.
    if len(op.tensors) == 1 and not any(isinstance(read(node, name), Tensor) for name in op.function.settings):
        return _near_zero(op.base, settings_of(node, op))[0] == 0

    f = applied(node, slot)
    return not bool((f(torch.zeros((), dtype=torch.float64)) != 0).any())


def keeps_near_zero(node: Node) -> bool:
    """Return whether f(x) is x for small x, as for a clamp with 0 between its bounds."""
    op = operation_of(node)
    if op.function.homogeneous or len(op.tensors) > 1 or op.factors:
        return op.base == "NanToNum"
    settings = settings_of(node, op)
    return not any(isinstance(setting, Tensor) for setting in settings) and _near_zero(op.base, settings)[1]


_DEGREES = {
    "Sqrt": 0.5, "Rsqrt": -0.5, "Reciprocal": -1.0, "Div": -1.0,
    "MseLoss": 2.0, "Std": 1.0, "Var": 2.0, "StdMean": 1.0, "VarMean": 2.0,  # of their spread
}  # fmt: skip


def bounds(node: Node) -> tuple[float | None, float | None]:
    """Return the bounds of a clamp; a bound that is a tensor counts as none."""
    names = ("min", "max") if has(node, "min") else ("min_val", "max_val")
    low, high = (read(node, name) for name in names)
    return None if isinstance(low, Tensor) else low, None if isinstance(high, Tensor) else high


def order_of(node: Node) -> float | None:
    """Return p of a p-norm."""
    return read(node, "ord" if operation_of(node).base == "LinalgVectorNorm" else "p")


def degree_of(node: Node) -> float | None:
    """Return p of a homogeneous function, ``f(a x) = a^p f(x)``: the identity rule is the derivative over p (Euler)."""
    base = operation_of(node).base
    if base in ("LinalgVectorNorm", "Norm"):
        return float(order_of(node) != 0)
    if base in ("Pow", "Pow1"):
        if unpacking(node, "exponent") is not None:
            return None
        exponent = read(node, "exponent", None)
        single = isinstance(exponent, Tensor) and exponent.ndim == 0 and not exponent.requires_grad
        return exponent.item() if single else None if isinstance(exponent, Tensor) else exponent
    return _DEGREES.get(base)
