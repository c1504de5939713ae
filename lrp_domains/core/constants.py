"""What an operation adds by itself: constants of the ledger that are no parameters."""

from __future__ import annotations

import math

import torch

from .norms import batch_norm_shift
from .operations import operation
from .rule import Grads, Node, Rule

# f(0), where it isn't 0: the identity rule hands on f(x) - f(0).
AT_ZERO = {
    "Sigmoid": lambda node: 0.5,
    "Hardsigmoid": lambda node: 0.5,
    "LogSigmoid": lambda node: -math.log(2),
    "Softplus": lambda node: math.log(2) / node._saved_beta,
    "Exp": lambda node: 1.0,
    "Cos": lambda node: 1.0,
    "Hardtanh": lambda node: min(max(0.0, node._saved_min_val), node._saved_max_val),
}


_EXTREMES = {"Maximum": torch.maximum, "Minimum": torch.minimum, "Fmax": torch.fmax, "Fmin": torch.fmin}


def added_constant(node: Node, rule: Rule, gi: Grads, go: Grads) -> tuple[str, float] | None:
    """The name and the relevance of the constant that a node adds under its rule, if it adds one."""
    op, g = operation(node.name()), go[0]
    if op.kind == "batch_norm" and not node._saved_training:
        per_channel = g.sum([d for d in range(g.ndim) if d != 1])
        return "running mean", (per_channel * batch_norm_shift(node)).sum().item()
    if op.base in AT_ZERO and rule.name in ("identity", "gate"):
        return f"{op.base} at 0", (g.sum() * AT_ZERO[op.base](node)).item()
    if op.base in ("Clamp", "ClampMin", "ClampMax"):
        return "bounds of clamp", (g * _bounds(node)).sum().item()
    if op.base in _EXTREMES and any(edge[0] is None for edge in node.next_functions):
        pair = (node._saved_self, node._saved_other)
        held = sum((c * x).sum() for c, x in zip(gi, pair, strict=True) if c is not None)
        return f"bounds of {op.base.lower()}", ((g * _EXTREMES[op.base](*pair)).sum() - held).item()
    return None


def _bounds(node: Node) -> torch.Tensor:
    """The bound, where a clamped value is at one, else 0."""
    x = node._saved_self
    y = x.clamp(getattr(node, "_saved_min", None), getattr(node, "_saved_max", None))
    return torch.where(y == x, 0.0, y)
