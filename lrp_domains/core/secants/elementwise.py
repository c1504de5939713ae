"""Secants of elementwise functions: DeepLIFT's rescale rule (Shrikumar et al. 2017, arXiv 1704.02685).

    g_x = g_y (f(x1) - f(x0)) / (x1 - x0)

Along a chain of functions of one tensor the secants telescope: the result doesn't depend on how the chain is written.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..graph.elementwise import applied, argument, is_lost, settings_of
from ..graph.functions import wide
from ..rule import Grads, Rule, Slots
from .pairs import Both, Pair, put, secant_rule
from .quotients import secant_of
from .several import BOUNDS, of_several

Tensor = torch.Tensor
# The number of values that are computed at a time on the CPU.
_BLOCK = 2**16


def _backward(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    slot, g = carries.index(True), wide(go[0])
    if sum(carries) > 1 or pair.operation.slot_kept(slot) is None:
        return of_several(pair, carries, gi, go)

    x, y, f = _arguments(pair, slot), _kept_results(pair), _function(pair, slot)
    # A derivative that was summed to the shape of an argument that was broadcast isn't one per result.
    by_slope = wide(gi[slot]) if gi[slot].shape == g.shape else torch.zeros_like(g)
    tensors = (*x, g, by_slope, *(y or ()))
    if not _fit_into_blocks(pair, tensors):
        return put(gi, {slot: secant_of(x, y or f(*x), g, by_slope)})

    # Blocks that fit into the cache are several times as fast as passes over memory.
    result, rows = torch.empty_like(g), [t.view(-1) for t in tensors]
    for start in range(0, g.numel(), _BLOCK):
        x1, x0, g_y, slope, *y_block = (row[start : start + _BLOCK] for row in rows)
        result.view(-1)[start : start + _BLOCK] = secant_of((x1, x0), y_block or f(x1, x0), g_y, slope)
    return put(gi, {slot: result})


def _fit_into_blocks(pair: Pair, tensors: tuple[Tensor, ...]) -> bool:
    """Return whether all can be cut into blocks alike: not if another tensor is read, such as a slope per channel."""
    settings = () if len(pair.operation.tensors) > 1 else settings_of(pair.node, pair.operation)
    mapped = len(pair.operation.tensors) > 1 or any(isinstance(setting, Tensor) for setting in settings)
    # Of complex numbers an absolute value is real, so the results aren't alike.
    alike = all(t.is_contiguous() and t.shape == tensors[0].shape and not t.is_complex() for t in tensors)
    return alike and not mapped and tensors[0].device.type == "cpu"


def _arguments(pair: Pair, slot: int) -> Both:
    """Return the arguments: as kept, recorded or computed, or else recovered from the results."""
    if pair.keeps(pair.operation.slot_kept(slot)) or pair.is_prepared(pair.edges[slot]):
        return pair.values(slot)
    return pair.each(lambda node: argument(node, slot).detach())


def _kept_results(pair: Pair) -> Both | None:
    """Return the results if they were kept or recorded."""
    if len(pair.operation.tensors) > 1:
        return None
    if pair.keeps("result"):
        return pair.kept("result")
    return pair.result() if pair.is_prepared((pair.node, 0)) else None


def _function(pair: Pair, slot: int) -> Callable[[Tensor, Tensor], Both]:
    """Return the function that computes the results."""
    f1, f0 = pair.each(lambda node: applied(node, slot))
    return lambda x1, x0: (f1(x1), f0(x0))


def _prepare(pair: Pair, carries: Slots) -> None:
    """Compute arguments that autograd didn't keep and that can't be recovered from the results."""
    slot = carries.index(True)
    if sum(carries) > 1 or pair.keeps(pair.operation.slot_kept(slot)) or pair.operation.base in BOUNDS:
        return
    results = zip((pair.node, pair.other), pair.kept("result"), strict=True)
    if not pair.is_prepared(pair.edges[slot]) and any(is_lost(node, y) for node, y in results):
        pair.prepare(pair.edges[slot])
        if not pair.is_prepared(pair.edges[slot]) and pair.operation.function.inverse is None:
            raise pair.refuse("it keeps only its result, and its argument can't be computed")


def _only_the_argument(node, carries: Slots, graph) -> Slots:
    return (carries[0], *(False for _ in carries[1:])) if graph.operations[node].base == "PreluKernel" else carries


elementwise: Rule = secant_rule("secant", _backward, simplest=_prepare, opens=_only_the_argument)
"""``(f(x1) - f(x0)) / (x1 - x0)``."""
