"""Secants of selections: maxima, poolings, sorts, masks. The winner of the half with the larger value takes the whole
difference, as in DeepLIFT (Shrikumar et al. 2017).

Where both halves select the same entry, its secant is the derivative. Where they don't, ``y1 - y0`` goes to the entry
that was selected in the half with the larger y (for a minimum, with the smaller): its own value rose by at least as
much, so that ``g_x = g_y (y1 - y0) / (x1 - x0)`` is at most g_y. Of other selections, such as a sort or a mask, the
entry that changed more takes the difference. If neither changed by as much, as where a third entry moved from one end
of a sorted row to the other, those that moved past both values share the difference.
"""

from __future__ import annotations

from functools import cache

import torch

from ..graph.functions import wide
from ..graph.saved import dimension, has, read, saved_names
from ..rule import Grads, Rule, Slots, gradient
from .pairs import INEXACT, Both, Pair, bound, mean_of_derivatives, put, secant_rule
from .products import equal_constants
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
# Linear in one argument, with indices that may have been computed from others.
_MASKED = frozenset(("Where", "MaskedFill"))


def _piecewise(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    base = pair.operation.base
    if base in _ELEMENTWISE:
        return _by_values(pair, carries, gi, go)
    slots = [slot for slot in range(len(gi)) if pair.graph.edges[pair.node][slot][0] is not None]
    outputs = [output for output, g in enumerate(go) if g is not None]

    x = {slot: _values(pair, slot) for slot in slots}
    if any(values is None for values in x.values()):
        raise pair.refuse("it selects values that autograd doesn't keep and that can't be computed again")
    run = {slot: values[0] - values[1] for slot, values in x.items()}
    y = [_sum(parts) for parts in zip(*(pair.repeated(slot, x[slot], outputs) for slot in slots), strict=True)]
    runs = [_sum(p) for p in zip(*(pair.repeated(s, (run[s], run[s]), outputs) for s in slots), strict=True)]

    up, down, of_others = [None] * len(go), [None] * len(go), 0.0
    for output, (y1, y0), (run1, run0) in zip(outputs, y, runs, strict=True):
        rise = y1 - y0
        if base in _LARGEST or (base == "Aminmax" and output == 1) or _reduces(pair, "amax"):
            first = rise >= 0
        elif base in _SMALLEST or base == "Aminmax" or _reduces(pair, "amin"):
            first = rise <= 0
        else:
            first = run1.abs() >= run0.abs()
        part = wide(go[output]) * rise
        if base in _ORDERED and bool((lost := torch.maximum(run1.abs(), run0.abs()) < rise.abs()).any()):
            of_others = _of_passing(pair, x[0], (y1, y0), torch.where(lost, part, 0.0))
            part = part.masked_fill(lost, 0.0)
        up[output], down[output] = torch.where(first, part, 0.0), torch.where(first, 0.0, part)
    of_inputs, of_reference = (
        pair.derivative(tuple(g), of_reference=is_reference) for g, is_reference in ((up, False), (down, True))
    )
    means = mean_of_derivatives(pair, carries, gi, go)
    return put(
        gi,
        {
            slot: quotient(wide(of_inputs[slot]) + wide(of_reference[slot]) + of_others, run[slot], wide(means[slot]))
            for slot in slots
            if carries[slot]
        },
    )


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


# ---- Masks and indices


@cache
def _index_names(node_class: type) -> tuple[str, ...]:
    """Return the names under which a linear operation keeps masks and indices."""
    return tuple(name for name in saved_names(node_class) if name not in ("self", "source", "src"))


def _same_indices(pair: Pair) -> bool:
    for name in _index_names(type(pair.node)):
        kept1, kept0 = pair.read(name, None)
        tensors = zip(*(kept if isinstance(kept, tuple) else (kept,) for kept in (kept1, kept0)), strict=True)
        if not all(_are_same(a, b) for a, b in tensors):
            return False
    return True


def _are_same(a: object, b: object) -> bool:
    """Return whether two masks or indices are the same; other tensors don't select."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or a.is_floating_point() or a.is_complex():
        return True
    return a is b or torch.equal(a, b)


def _masked(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the g of a choice between two values by a mask that differs between the inputs and the reference."""
    g, is_where = wide(go[0]), pair.operation.base == "Where"
    first = tuple(m if is_where else ~m for m in pair.read("condition" if is_where else "mask"))
    chosen = [first, tuple(~m for m in first)]
    slots = [slot for slot, is_open in enumerate(carries) if is_open]
    values, y = {slot: pair.at(pair.edges[slot]) for slot in slots}, pair.result()
    if y is None or any(value is None for value in values.values()):
        raise pair.refuse("its mask differs between the inputs and the references, and its values aren't available")

    changed = first[0] != first[1]
    runs = {slot: (x1 - x0).expand_as(g) for slot, (x1, x0) in values.items()}
    largest = torch.stack([run.abs() for run in runs.values()]).amax(0)
    rise, taken = y[0] - y[1], torch.zeros_like(changed)
    by_slot = {}
    for slot, run in runs.items():
        takes = changed & (run.abs() == largest) & ~taken
        taken = taken | takes
        of_changed = torch.where(takes, g * quotient(rise, run, 0.0), 0.0)
        by_slot[slot] = torch.where(changed, of_changed, g * chosen[slot][0])
    return put(gi, by_slot)


def _simplest_piecewise(pair: Pair, carries: Slots) -> Rule | None:
    if pair.operation.base in ("MaxUnpool2D", "MaxUnpool3D"):
        return _simplest_linear(pair, carries)
    if pair.operation.base == "Renorm":
        return bound(INEXACT, mean_of_derivatives, pair)
    if pair.operation.base == "SegmentReduce":
        raise pair.refuse("it selects by segment, which can't be repeated")
    for slot, edge in enumerate(pair.edges):
        is_kept = pair.keeps(pair.operation.slot_kept(slot)) or (slot == 0 and pair.keeps("self"))
        if not is_kept and not pair.is_prepared(edge):
            pair.prepare(edge)
    return None


def _simplest_linear(pair: Pair, carries: Slots) -> Rule | None:
    """Return the derivative where both halves have the same indices or masks."""
    if pair.operation.kind == "product":  # a quotient by a constant, which may be computed from the inputs
        return gradient if equal_constants(pair, carries) else bound("secant, exact split", mean_of_derivatives, pair)
    if not _index_names(type(pair.node)) or _same_indices(pair):
        return gradient
    if pair.operation.base not in _MASKED:
        raise pair.refuse(
            "it selects other entries for the references than for the inputs (a routing, a sort, an argmax), which has "
            "no share of the difference"
        )
    for edge in (*pair.edges, (pair.node, 0)):
        if edge[0] is not None and not pair.is_prepared(edge):
            pair.prepare(edge)
    return None


def _simplest_step(pair: Pair, carries: Slots) -> Rule | None:
    """Return the derivative, 0, for a step whose values aren't available."""
    return None if pair.values(0) is not None and pair.result() is not None else gradient


piecewise = secant_rule("secant, winner of either half", _piecewise, simplest=_simplest_piecewise)
linear = secant_rule("gradient; of masks that differ, the larger change", _masked, simplest=_simplest_linear)
step = secant_rule("secant", _by_values, simplest=_simplest_step)
