"""Secants of elementwise functions of several tensors that carry.

The larger of two is ``max(a, b) = b + relu(a - b)``, and a clamp is a minimum of a maximum. A logaddexp is a logsumexp
of two numbers. Of any other function each argument gets the mean of what it adds over the orders in which the arguments
move from the reference to the input, one after the other (the Shapley value).
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from ..graph.functions import wide
from ..rule import Grads, Slots
from .pairs import Both, Pair, put
from .quotients import log_mean, quotient

Tensor = torch.Tensor
_SMALLER = frozenset(("Minimum", "Fmin"))
_LARGER = frozenset(("Maximum", "Fmax"))
# The bounds of a clamp, by slot, which carry if they are computed from the inputs.
BOUNDS = {"Clamp": ("min", "max"), "ClampMin": ("min",), "ClampMax": ("max",)}
# Functions that have no row in functions.py, as no other rule is defined for them.
OTHERS = {"Fmod": torch.fmod, "Remainder": torch.remainder, "Copysign": torch.copysign}


def of_several(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the g of the arguments of an elementwise function of several tensors."""
    g, base = wide(go[0]), pair.operation.base
    if base in BOUNDS:
        by_slot = _of_clamp(pair, g)
        return put(gi, {slot: by_slot[slot] for slot in by_slot if carries[slot]})
    a, b = pair.values(0), pair.values(1)
    if a is None or b is None:
        raise pair.refuse("its arguments aren't available")

    if base in _LARGER | _SMALLER:
        share = _share_of_first(a, b, is_smallest=base in _SMALLER)
        of_a, of_b = g * share, g * (1 - share)
    elif base in ("Logaddexp", "Logaddexp2"):
        unit = math.log(2) if base == "Logaddexp2" else 1.0
        leads = [(a1 - b1) * unit for a1, b1 in zip(a, b, strict=True)]
        means = [log_mean(*(F.logsigmoid(sign * lead) for lead in leads)) for sign in (1, -1)]
        of_a, of_b = (g * mean / (means[0] + means[1]) for mean in means)
    else:
        of_a, of_b = _of_orders(pair, a, b, gi, g)
    return put(gi, {0: of_a, 1: of_b})


def _share_of_first(a: Both, b: Both, *, is_smallest: bool) -> Tensor:
    """Return the share of a in ``max(a, b) = b + relu(a - b)`` or in ``min(a, b) = b - relu(b - a)``."""
    x1, x0 = (b1 - a1 if is_smallest else a1 - b1 for a1, b1 in zip(a, b, strict=True))
    return quotient(x1.relu() - x0.relu(), x1 - x0, (x1.sign() + 1) / 2)


def _of_clamp(pair: Pair, g: Tensor) -> dict[int, Tensor]:
    """Return the g of a clamp's argument and bounds by slot: ``min(max(x, low), high)``."""
    names, x = BOUNDS[pair.operation.base], pair.kept("self")
    bounds = {name: pair.kept(name) for name in names if pair.keeps(name)}
    by_slot = {}
    if "max" in bounds:
        inner = tuple(map(torch.maximum, x, bounds["min"])) if "min" in bounds else x
        share = _share_of_first(inner, bounds["max"], is_smallest=True)
        by_slot[1 + names.index("max")], g = g * (1 - share), g * share
    if "min" in bounds:
        share = _share_of_first(x, bounds["min"], is_smallest=False)
        by_slot[1], g = g * (1 - share), g * share
    return by_slot | {0: g}


def _of_orders(pair: Pair, a: Both, b: Both, gi: Grads, g: Tensor) -> tuple[Tensor, ...]:
    base, function = pair.operation.base, pair.operation.function
    f = OTHERS[base] if function is None else function.f
    both, neither, only_a, only_b = f(a[0], b[0]), f(a[1], b[1]), f(a[0], b[1]), f(a[1], b[0])
    rises = (both - only_b + only_a - neither) / 2, (both - only_a + only_b - neither) / 2

    # Where an argument doesn't change, its secant is the derivative.
    slopes = [wide(t).nan_to_num(0.0, 0.0, 0.0) if t.shape == g.shape else torch.zeros_like(g) for t in gi]
    runs = [(x1 - x0).expand_as(g) for x1, x0 in (a, b)]
    return tuple(
        torch.where(run == 0, slope, g * quotient(rise, run, 0.0))
        for run, rise, slope in zip(runs, rises, slopes, strict=True)
    )
