"""Linear operations whose masks or indices may differ between the inputs and the reference.

Where they are the same, the secant is the derivative. Where a mask chose one value for the input and another for the
reference, the one that changed more takes the difference. Indices that differ (a routing, an argmax) are refused.
"""

from __future__ import annotations

from functools import cache

import torch

from ..graph.functions import wide
from ..graph.saved import saved_names
from ..rule import Grads, Rule, Slots, gradient
from .pairs import Pair, bound, mean_of_derivatives, put, secant_rule
from .products import equal_constants
from .quotients import quotient

Tensor = torch.Tensor
_MASKED = frozenset(("Where", "MaskedFill"))


def simplest_linear(pair: Pair, carries: Slots) -> Rule | None:
    """Return the derivative where both halves have the same indices or masks."""
    if pair.operation.kind == "product":  # a quotient by a constant, which may be computed from the inputs
        return gradient if equal_constants(pair, carries) else bound("secant, exact split", mean_of_derivatives, pair)
    if not _index_names(type(pair.node)) or _same_indices(pair):
        return gradient
    if pair.operation.base not in _MASKED:
        raise pair.refuse(
            "it selects other entries for the references than for the inputs (a routing, a sort, an argmax), which has "
            "no share of the difference; hold what the inputs select (selections='held')"
        )
    for edge in (*pair.edges, (pair.node, 0)):
        if edge[0] is not None and not pair.is_prepared(edge):
            pair.prepare(edge)
    return None


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


linear = secant_rule("gradient; of masks that differ, the larger change", _masked, simplest=simplest_linear)
