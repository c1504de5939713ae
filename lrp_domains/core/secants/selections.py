"""Secants of selections: maxima, poolings, sorts. The winner of the half with the larger value takes the whole
difference, as in DeepLIFT (Shrikumar et al. 2017).

Where both halves select the same entry, its secant is the derivative. Where they don't, ``y1 - y0`` goes to the entry
that was selected in the half with the larger y (for a minimum, with the smaller): its own value rose by at least as
much, so that ``g_x = g_y (y1 - y0) / (x1 - x0)`` is at most g_y. Of other selections, such as a sort, the entry that
changed more takes the difference. If neither changed by as much, as where a third entry moved from one end
of a sorted row to the other, those that moved past both values share the difference.
"""

from __future__ import annotations

import torch

from ..graph.functions import wide
from ..graph.saved import dimension, has, read
from ..rule import Grads, Rule, Slots, gradient
from .masks import simplest_linear
from .pairs import INEXACT, Both, Pair, bound, mean_of_derivatives, put, secant_rule
from .quotients import quotient, secant_of
from .several import OTHERS, of_several

Tensor = torch.Tensor
_LARGEST = frozenset(
    """Max Amax Cummax MaxPool2DWithIndices MaxPool3DWithIndices MkldnnMaxPool2D MkldnnMaxPool3D
    AdaptiveMaxPool2D AdaptiveMaxPool3D FractionalMaxPool2D FractionalMaxPool3D""".split()
)
_SMALLEST = frozenset(("Min", "Amin", "Cummin"))
# The largest number of comparisons between entries and sorted values at a time.
_BLOCK = 2**20
_ORDERED = frozenset("Sort Topk Kthvalue Median Nanmedian".split())
_ELEMENTWISE = frozenset("Fmod Remainder Copysign Frac".split())


def _piecewise(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if pair.operation.base in _ELEMENTWISE:
        return _by_values(pair, carries, gi, go)
    slots = [slot for slot in range(len(gi)) if pair.graph.edges[pair.node][slot][0] is not None]
    outputs = [output for output, g in enumerate(go) if g is not None]

    x = {slot: _values(pair, slot) for slot in slots}
    if any(values is None for values in x.values()):
        raise pair.refuse("it selects values that autograd doesn't keep and that can't be computed again")
    run = {slot: values[0] - values[1] for slot, values in x.items()}
    y = [_sum(parts) for parts in zip(*(pair.repeated(slot, x[slot], outputs) for slot in slots), strict=True)]
    runs = [_sum(p) for p in zip(*(pair.repeated(s, (run[s], run[s]), outputs) for s in slots), strict=True)]

    # What each half's winners take of the difference, and what others do.
    of_inputs, of_reference, of_others = [None] * len(go), [None] * len(go), 0.0
    for output, (y1, y0), (run1, run0) in zip(outputs, y, runs, strict=True):
        rise = y1 - y0
        part, is_of_inputs = wide(go[output]) * rise, _winner_is_of_inputs(pair, output, rise, (run1, run0))
        lost = torch.maximum(run1.abs(), run0.abs()) < rise.abs()
        if pair.operation.base in _ORDERED and bool(lost.any()):
            of_others = _of_passing(pair, x[0], (y1, y0), torch.where(lost, part, 0.0))
            part = part.masked_fill(lost, 0.0)
        of_inputs[output], of_reference[output] = part.where(is_of_inputs, 0.0), part.masked_fill(is_of_inputs, 0.0)

    taken = zip(
        pair.derivative(tuple(of_inputs), of_reference=False),
        pair.derivative(tuple(of_reference), of_reference=True),
        mean_of_derivatives(pair, carries, gi, go),
        strict=True,
    )
    return put(
        gi,
        {
            slot: quotient(wide(a) + wide(b) + of_others, run[slot], wide(mean))
            for slot, (a, b, mean) in enumerate(taken)
            if slot in run and carries[slot]
        },
    )


def _winner_is_of_inputs(pair: Pair, output: int, rise: Tensor, runs: Both) -> Tensor:
    """Return where the entry that the inputs' half selected takes the difference."""
    base = pair.operation.base
    if base in _LARGEST or (base == "Aminmax" and output == 1) or _reduces(pair, "amax"):
        return rise >= 0
    if base in _SMALLEST or base == "Aminmax" or _reduces(pair, "amin"):
        return rise <= 0
    return runs[0].abs() >= runs[1].abs()


def _of_passing(pair: Pair, x: Both, y: Both, part: Tensor) -> Tensor:
    """Share parts of the difference of sorted values among the entries that moved past both of them."""
    shape, dim = x[0].shape, dimension(read(pair.node, "dim"), x[0].ndim) if has(pair.node, "dim") else 0
    if not has(pair.node, "dim"):
        x, y, part = tuple(t.flatten() for t in x), tuple(t.view(1) for t in y), part.view(1)
    elif part.ndim < len(shape):
        y, part = tuple(t.unsqueeze(dim) for t in y), part.unsqueeze(dim)

    lines = [t.movedim(dim, -1) for t in (*x, *y, part)]
    x1, x0, y1, y0, part = (t.reshape(-1, t.shape[-1]) for t in lines)
    result, (rows, results) = torch.zeros_like(x1), part.nonzero(as_tuple=True)
    for row, column in zip(rows.split(size := max(1, _BLOCK // x1.shape[1])), results.split(size), strict=True):
        after, before = y1[row, column].unsqueeze(1), y0[row, column].unsqueeze(1)
        rose, fell = (x1[row] >= after) & (x0[row] <= before), (x1[row] <= after) & (x0[row] >= before)
        passes = torch.where(after >= before, rose, fell)
        shares = part[row, column].unsqueeze(1) * passes / passes.sum(1, keepdim=True).clamp_min(1)
        result.index_add_(0, row, shares)
    return result.view(lines[0].shape).movedim(-1, dim).reshape(shape)


def _values(pair: Pair, slot: int) -> Both | None:
    """Return the values at a slot; poolings keep theirs."""
    return pair.kept("self") if slot == 0 and pair.keeps("self") else pair.values(slot)


def _sum(parts: tuple[Both, ...]) -> Both:
    return sum(part[0] for part in parts), sum(part[1] for part in parts)


def _reduces(pair: Pair, by: str) -> bool:
    return has(pair.node, "reduce") and pair.read("reduce")[0] == by


def _by_values(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the secant of an elementwise operation from the values that it had and made."""
    if sum(carries) > 1:
        return of_several(pair, carries, gi, go) if pair.operation.base in OTHERS else gi
    slot, g = carries.index(True), wide(go[0])
    x, y = pair.values(slot), pair.result()
    if x is None or y is None:
        raise pair.refuse("its values aren't available")
    return put(gi, {slot: secant_of(x, y, g, torch.zeros_like(g) if gi[slot] is None else wide(gi[slot]))})


def _simplest_piecewise(pair: Pair, carries: Slots) -> Rule | None:
    if pair.operation.base in ("MaxUnpool2D", "MaxUnpool3D"):
        return simplest_linear(pair, carries)
    if pair.operation.base == "Renorm":
        return bound(INEXACT, mean_of_derivatives, pair)
    if pair.operation.base == "SegmentReduce":
        raise pair.refuse("it selects by segment, which can't be repeated")
    for slot, edge in enumerate(pair.edges):
        is_kept = pair.keeps(pair.operation.slot_kept(slot)) or (slot == 0 and pair.keeps("self"))
        if not is_kept and not pair.is_prepared(edge):
            pair.prepare(edge)
    return None


def _simplest_step(pair: Pair, carries: Slots) -> Rule | None:
    """Return the derivative, 0, for a step whose values aren't available."""
    return None if pair.values(0) is not None and pair.result() is not None else gradient


piecewise = secant_rule("secant, winner of either half", _piecewise, simplest=_simplest_piecewise)
step = secant_rule("secant", _by_values, simplest=_simplest_step)
