"""Secants of elementwise functions: DeepLIFT's rescale rule (Shrikumar et al. 2017, arXiv 1704.02685).

    g_x = g_y (f(x1) - f(x0)) / (x1 - x0)

Where the quotient differs from the derivative by no more than rounding, the derivative is used: it is exact where x1 is
x0, and keeps its digits where they are close. So no threshold on their distance is needed, not even at a kink.

Along a chain of functions of one tensor the secants telescope: the result doesn't depend on how the chain is written.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional as F

from ..graph.elementwise import applied, argument, is_lost, settings_of
from ..graph.functions import wide
from ..rule import Grads, Rule, Slots
from .pairs import Both, Pair, put, quotient, secant_rule

Tensor = torch.Tensor
# By how many units in the last place the rise of a function may be wrong.
_ULPS = 16
# The number of values that are computed at a time on the CPU.
_BLOCK = 2**16
# The bounds of a clamp, by slot, which may carry if they are tensors.
_BOUNDS = {"Clamp": ("min", "max"), "ClampMin": ("min",), "ClampMax": ("max",)}


def secant_of(x: Both, y: Both, g: Tensor, by_slope: Tensor) -> Tensor:
    """Return ``g (y1 - y0) / (x1 - x0)``, or ``by_slope``, which is g times a derivative, where they are too close."""
    run, rise = x[0] - x[1], y[0] - y[1]
    if run.is_complex():
        run, rise = run.conj(), rise.conj()
    if not bool(by_slope.sum().isfinite()):  # an infinite slope, such as of a root at 0
        by_slope = by_slope.masked_fill(~by_slope.isfinite() & (run == 0), 0.0)

    part = g * rise
    error = torch.addcmul(part, by_slope, run, value=-1)
    error = error.abs() if error.is_complex() else error.abs_()
    noise = y[0].abs().add_(y[1].abs()).mul_(g.abs()).mul_(_ULPS * torch.finfo(g.dtype).eps)
    return torch.where(error <= noise, by_slope, part / run if run.is_complex() else part.div_(run))


def log_mean(log_a: Tensor, log_b: Tensor) -> Tensor:
    """Return the logarithmic mean ``(a - b) / (log a - log b)``, from the logarithms: the secant of the exponential."""
    largest, distance = torch.maximum(log_a, log_b), (log_a - log_b).abs_()
    mean = distance.neg().expm1_().neg_().div_(distance)
    # Of equal numbers the mean is the number; of two zeros the logarithms have no distance.
    return mean.masked_fill_(distance == 0, 1.0).mul_(largest.exp()).masked_fill_(largest == -torch.inf, 0.0)


def _backward(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    slots, g = [slot for slot, is_open in enumerate(carries) if is_open], wide(go[0])
    if pair.operation.base in _BOUNDS and slots != [0]:
        return put(gi, _clamped(pair, g))
    if len(slots) == 2:
        return put(gi, dict(enumerate(_of_two(pair, gi, g))))

    slot = slots[0]
    x, f = _arguments(pair, slot), _results(pair, slot)
    # A derivative that was summed to the shape of an argument that was broadcast isn't one per result.
    by_slope = wide(gi[slot]) if gi[slot].shape == g.shape else torch.zeros_like(g)
    tensors = (*x, g, by_slope, *(pair.kept("result") if f is None else ()))
    if not _fit_into_blocks(pair, tensors):
        return put(gi, {slot: secant_of(x, f(*x) if f is not None else tensors[4:], g, by_slope)})

    # Blocks that fit into the cache are several times as fast as passes over memory.
    result, rows = torch.empty_like(g), [t.view(-1) for t in tensors]
    for start in range(0, g.numel(), _BLOCK):
        x1, x0, g_y, slope, *y = (row[start : start + _BLOCK] for row in rows)
        result.view(-1)[start : start + _BLOCK] = secant_of((x1, x0), f(x1, x0) if f is not None else y, g_y, slope)
    return put(gi, {slot: result})


def _fit_into_blocks(pair: Pair, tensors: tuple[Tensor, ...]) -> bool:
    """Return whether all can be cut into blocks alike: not if a setting is a tensor, such as a slope per channel."""
    mapped = any(isinstance(setting, Tensor) for setting in settings_of(pair.node, pair.operation))
    # Of complex numbers an absolute value is real, so the results aren't alike.
    alike = all(t.is_contiguous() and t.shape == tensors[0].shape and not t.is_complex() for t in tensors)
    return alike and not mapped and tensors[0].device.type == "cpu"


def _arguments(pair: Pair, slot: int) -> Both:
    """Return the arguments: as kept, recorded or computed, or else recovered from the results."""
    if pair.keeps(pair.operation.slot_kept(slot)) or pair.is_prepared(pair.edges[slot]):
        return pair.values(slot)
    return pair.each(lambda node: argument(node, slot).detach())


def _results(pair: Pair, slot: int) -> Callable[[Tensor, Tensor], Both] | None:
    """Return the function that computes the results, None if they are kept."""
    if len(pair.operation.tensors) == 1 and pair.keeps("result"):
        return None
    f1, f0 = pair.each(lambda node: applied(node, slot))
    return lambda x1, x0: (f1(x1), f0(x0))


def _of_two(pair: Pair, gi: Grads, g: Tensor) -> tuple[Tensor, Tensor]:
    """Return the secants of a function of two tensors that both carry."""
    (a, b), base = (pair.kept(name) for name in pair.operation.tensors), pair.operation.base
    if base in ("Maximum", "Fmax", "Minimum", "Fmin"):
        of_a = _share_of_first(a, b, is_smallest=base in ("Minimum", "Fmin"))
        return g * of_a, g * (1 - of_a)
    if base in ("Logaddexp", "Logaddexp2"):  # a logsumexp of two numbers, see softmaxes.py
        unit = math.log(2) if base == "Logaddexp2" else 1.0
        leads = [(a1 - b1) * unit for a1, b1 in zip(a, b, strict=True)]
        of_a, of_b = (log_mean(*(F.logsigmoid(sign * lead) for lead in leads)) for sign in (1, -1))
        return g * of_a / (of_a + of_b), g * of_b / (of_a + of_b)

    # The mean of the two ways in which one argument moves after the other.
    f = pair.operation.function.f
    both, neither, only_a, only_b = f(a[0], b[0]), f(a[1], b[1]), f(a[0], b[1]), f(a[1], b[0])
    rises = (both - only_b + only_a - neither) / 2, (both - only_a + only_b - neither) / 2
    slopes = [wide(t) if t.shape == g.shape else torch.zeros_like(g) for t in gi]
    return tuple(
        torch.where(x[0] == x[1], slope.nan_to_num(0.0, 0.0, 0.0), g * quotient(rise, x[0] - x[1], 0.0))
        for x, rise, slope in zip((a, b), rises, slopes, strict=True)
    )


def _share_of_first(a: Both, b: Both, *, is_smallest: bool) -> Tensor:
    """Return the share of a in ``max(a, b) = b + relu(a - b)`` or in ``min(a, b) = b - relu(b - a)``."""
    x1, x0 = (b1 - a1 if is_smallest else a1 - b1 for a1, b1 in zip(a, b, strict=True))
    return quotient(x1.relu() - x0.relu(), x1 - x0, (x1.sign() + 1) / 2)


def _clamped(pair: Pair, g: Tensor) -> dict[int, Tensor]:
    """Return the secants of a clamp whose bounds carry, ``min(max(x, low), high)``."""
    names, (x1, x0) = _BOUNDS[pair.operation.base], pair.kept("self")
    bounds = {name: pair.kept(name) for name in names if pair.keeps(name)}
    by_slot = {}
    if "max" in bounds:
        low1, low0 = bounds.get("min", (None, None))
        inner = (x1, x0) if low1 is None else (torch.maximum(x1, low1), torch.maximum(x0, low0))
        share = _share_of_first(inner, bounds["max"], is_smallest=True)
        by_slot[1 + names.index("max")], g = g * (1 - share), g * share
    if "min" in bounds:
        share = _share_of_first((x1, x0), bounds["min"], is_smallest=False)
        by_slot[1], g = g * (1 - share), g * share
    return by_slot | {0: g}


def _prepare(pair: Pair, carries: Slots) -> None:
    """Compute arguments that autograd didn't keep and that can't be recovered from the results."""
    slot = carries.index(True)
    if sum(carries) > 1 or pair.keeps(pair.operation.slot_kept(slot)) or pair.operation.base in _BOUNDS:
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
