"""Secants of operations that hold a product in one node: gated linear units, interpolations, scalings, slices."""

from __future__ import annotations

import math
from functools import partial

import torch

from ..graph.functions import wide
from ..graph.saved import dimension, read
from ..rule import Grads, Rule, Slots
from .pairs import INEXACT, Pair, bound, mean_of_derivatives, put, secant_rule
from .quotients import log_mean, secant_of


def _glu(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = a sigmoid(b)
    dim = dimension(read(pair.node, "dim"), go[0].ndim)
    (a1, b1), (a0, b0) = (values.chunk(2, dim) for values in pair.kept("self"))
    g, s1, s0 = wide(go[0]), b1.sigmoid(), b0.sigmoid()
    of_gate = g * (a1 + a0) / 2
    of_b = secant_of((b1, b0), (s1, s0), of_gate, of_gate * s1 * (1 - s1))
    return put(gi, {0: torch.cat([g * (s1 + s0) / 2, of_b], dim)})


def _exact_scaling(pair: Pair, carries: Slots) -> Rule | None:
    """Return the exact rule of an operation that is linear in one argument, if there is one."""
    if not any(carries[slot] for slot in pair.operation.factors):
        backward = mean_of_derivatives
    else:
        backward = {
            "Addcdiv": _addcdiv,
            "Ldexp": _ldexp,
            "LinalgSolveEx": _solve,
            "LinalgSolveTriangular": _solve,
        }.get(pair.operation.base)
    return None if backward is None else bound("secant, exact split", backward, pair)


def _addcdiv(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = x + value a / b
    g, (a1, a0), (b1, b0) = wide(go[0]) * read(pair.node, "value"), pair.kept("tensor1"), pair.kept("tensor2")
    return put(gi, {1: g * (1 / b1 + 1 / b0) / 2, 2: -g * (a1 + a0) / (2 * b1 * b0)})


def _ldexp(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = x 2^n
    g, y, n = wide(go[0]), pair.kept("result"), pair.kept("other")
    powers = [torch.exp2(exponent) for exponent in n]
    mean_x = sum(result / power for result, power in zip(y, powers, strict=True)) / 2
    of_power = log_mean(*(exponent * math.log(2) for exponent in n)) * math.log(2)
    by_slot = {0: g * (powers[0] + powers[1]) / 2, 1: g * mean_x * of_power}
    return put(gi, {slot: values for slot, values in by_slot.items() if carries[slot]})


def _solve(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Split the solution X of ``A X = B``, or of ``X A = B``: the mean of ``A1^-1 (dB - dA X0)`` and ``A0^-1 (dB - dA
    X1)``, which are both exact.
    """
    g, left, is_triangular = wide(go[0]), read(pair.node, "left"), pair.operation.base == "LinalgSolveTriangular"
    solve = torch.linalg.solve
    if is_triangular:
        upper, unit = read(pair.node, "upper"), read(pair.node, "unitriangular")
        solve = partial(torch.linalg.solve_triangular, upper=not upper, unitriangular=unit)

    (x1, x0), a = pair.kept("result"), pair.kept("self" if is_triangular else "A")
    if x1.ndim < a[0].ndim:  # vectors
        g, x1, x0 = (t.unsqueeze(-1) for t in (g, x1, x0))
    of_b1, of_b0 = (solve(matrix.mH, g, left=left) for matrix in a)
    of_a = (of_b1 @ x0.mH + of_b0 @ x1.mH if left else x0.mH @ of_b1 + x1.mH @ of_b0) / -2
    if is_triangular:
        of_a = of_a.triu(int(unit)) if upper else of_a.tril(-int(unit))
    return put(gi, {0: of_a, 1: ((of_b1 + of_b0) / 2).view_as(go[0])})


def _slice(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    of_reference = pair.derivative(go, of_reference=True)
    for g1, g0, is_open in zip(gi, of_reference, carries, strict=True):
        if is_open and g1 is not None and not torch.allclose(g1, g0.sum_to_size(g1.shape).to(g1.dtype)):
            raise pair.refuse("a slice was changed in place by a function that isn't linear; write it out of place")
    return gi


glu = secant_rule("secant, exact split", _glu)
interpolation = secant_rule("secant, exact split", mean_of_derivatives)
scaling = secant_rule(INEXACT, mean_of_derivatives, simplest=_exact_scaling)
slice_write_secant = secant_rule("gradient, if linear", _slice)
