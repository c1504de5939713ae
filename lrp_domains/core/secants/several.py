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
from ..graph.saved import read
from ..rule import Grads, Slots
from .elementwise import log_mean
from .pairs import Both, Pair, put, quotient

Tensor = torch.Tensor
_SMALLER = frozenset(("Minimum", "Fmin", "ClampMax"))
_LARGER = frozenset(("Maximum", "Fmax", "ClampMin"))
# Functions that have no row in functions.py, as no other rule is defined for them.
OTHERS = {"Fmod": torch.fmod, "Remainder": torch.remainder, "Copysign": torch.copysign}


def of_several(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the g of the arguments of an elementwise function of several tensors."""
    g, base = wide(go[0]), pair.operation.base
    if base == "Clamp":
        return put(gi, _of_clamp(pair, carries, g))
    arguments = [pair.values(slot) for slot in range(len(carries))]
    if any(values is None for values in arguments):
        raise pair.refuse("its arguments aren't available")

    a, b = arguments
    if base in _LARGER | _SMALLER:
        of_a, of_b = _of_choice(a, b, g, smaller=base in _SMALLER)
    elif base in ("Logaddexp", "Logaddexp2"):
        unit = math.log(2) if base == "Logaddexp2" else 1.0
        leads = [(a1 - b1) * unit for a1, b1 in zip(a, b, strict=True)]
        means = [log_mean(*(F.logsigmoid(sign * lead) for lead in leads)) for sign in (1, -1)]
        of_a, of_b = (g * mean / (means[0] + means[1]) for mean in means)
    else:
        of_a, of_b = _of_orders(pair, a, b, gi, g)
    return put(gi, {0: of_a, 1: of_b})


def _of_choice(a: Both, b: Both, g: Tensor, *, smaller: bool) -> tuple[Tensor, Tensor]:
    """Return the secants of the larger of two, or of the smaller."""
    leads = [b1 - a1 if smaller else a1 - b1 for a1, b1 in zip(a, b, strict=True)]
    of_a = quotient(leads[0].relu() - leads[1].relu(), leads[0] - leads[1], (leads[0].sign() + 1) / 2)
    return g * of_a, g * (1 - of_a)


def _of_clamp(pair: Pair, carries: Slots, g: Tensor) -> dict[int, Tensor]:
    """Return the secants of ``min(max(x, low), high)``, by slot."""
    x, low, high = pair.kept("self"), *(_bound(pair, name) for name in ("min", "max"))
    by_slot, of_inner = {}, g
    if high is not None:
        inner = x if low is None else tuple(map(torch.maximum, x, low))
        of_inner, by_slot[2] = _of_choice(inner, high, g, smaller=True)
    by_slot[0] = of_inner
    if low is not None:
        by_slot[0], by_slot[1] = _of_choice(x, low, of_inner, smaller=False)
    return {slot: values for slot, values in by_slot.items() if carries[slot]}


def _bound(pair: Pair, name: str) -> Both | None:
    return None if read(pair.node, name) is None else pair.kept(name)


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
