"""Exact splits of products: ``x1 y1 - x0 y0 = mean(y) (x1 - x0) + mean(x) (y1 - y0)``.

The split is symmetric, and for N factors it is the Shapley value of N players. As a product is linear in each factor,
that is the integral of its derivative along the straight line from the reference to the input (Aumann and Shapley),
which Gauss-Legendre quadrature computes exactly with N / 2 points; for two factors it is the mean of the derivatives at
both ends. Nothing is constant here: gates and scales get their part.
"""

from __future__ import annotations

from functools import partial

import torch

from ..graph.functions import wide
from ..graph.saved import dimension, has, memory, read, unpacking
from ..graph.weights import scores
from ..roles.softmaxes import softmaxes
from ..rule import Grads, Rule, Slots, gradient
from .factors import nested_factors, nested_rule
from .pairs import INEXACT, Pair, bound, mean_of_derivatives, put, secant_rule
from .quadrature import MOST_FACTORS, points_for
from .scales import scale_slot, split_by_scale
from .softmaxes import written_out

Tensor = torch.Tensor


def _backward(share_of_scores: float, pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    base, open_factors = pair.operation.base, [slot for slot in pair.operation.factors if carries[slot]]
    if base in ("Prod", "Cumprod"):
        return put(gi, {0: _running(pair, go)})
    is_part = len(open_factors) == 2 and base in ("Mul", "Div") and pair.node in pair.graph.once(softmaxes).parts
    if is_part and (of_slots := written_out(pair, wide(go[0]))) is not None:
        return put(gi, of_slots)
    if base == "Div" and carries[1]:
        return _quotient(pair, gi, go)
    if base == "Trilinear":
        return put(gi, _trilinear(pair, wide(go[0])))
    result = mean_of_derivatives(pair, carries, gi, go)
    if share_of_scores != 1 and len(open_factors) == 2 and pair.node in pair.graph.once(scores):
        return tuple(g * share_of_scores if slot in open_factors else g for slot, g in enumerate(result))
    return result


def _quotient(pair: Pair, gi: Grads, go: Grads) -> Grads:
    """Split ``x / y`` as the product of x and ``1 / y``."""
    g, (x1, x0), (y1, y0) = wide(go[0]), pair.kept("self"), pair.kept("other")
    of_x, of_y = (1 / y1 + 1 / y0) / 2, -(x1 + x0) / (2 * y1 * y0)
    return put(gi, {0: g * of_x.conj(), 1: g * of_y.conj()})


def _scaled(slot: int, pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the g of a value, and at a slot that of a scale or divisor that is computed from it."""
    names, g = pair.operation.tensors, wide(go[0])
    value, scale = pair.kept(names[1 - slot]), pair.kept(names[slot])
    if pair.operation.base == "Mul":
        of_value, of_scale = split_by_scale(value, scale)
        return put(gi, {1 - slot: g * of_value, slot: g * of_scale})
    of_value, of_scale = split_by_scale(value, (1 / scale[0], 1 / scale[1]))
    return put(gi, {1 - slot: g * of_value, slot: -g * of_scale / scale[0] / scale[1]})


def _trilinear(pair: Pair, g: Tensor) -> dict[int, Tensor]:
    """Return the g of the three factors of a trilinear form, by slot."""
    ends = [pair.kept(name) for name in pair.operation.tensors]
    settings = [read(pair.node, name) for name in pair.operation.settings]
    total = [torch.zeros_like(x1) for x1, _ in ends]
    for point, weight in points_for(len(ends)):
        with torch.enable_grad():
            factors = [torch.lerp(x0, x1, point).requires_grad_() for x1, x0 in ends]
            slopes = torch.autograd.grad(torch._trilinear(*factors, *settings), factors, g)
        total = [t + weight * slope for t, slope in zip(total, slopes, strict=True)]
    return dict(enumerate(total))


def _running(pair: Pair, go: Grads) -> Tensor:
    """Return the g of the factors of a product along a dimension."""
    (x1, x0), g = pair.kept("self"), wide(go[0])
    run, factors = torch.prod, x1.numel()
    if has(pair.node, "dim"):
        dim = dimension(read(pair.node, "dim"), x1.ndim)
        factors = x1.shape[dim]
        run = partial(torch.cumprod, dim=dim)
        if pair.operation.base == "Prod":
            run = partial(torch.prod, dim=dim, keepdim=read(pair.node, "keepdim"))

    total = torch.zeros_like(x1)
    if factors > MOST_FACTORS:
        raise pair.refuse(f"a product of {factors} numbers is too long to split, of more than {MOST_FACTORS}")
    for point, weight in points_for(factors):
        with torch.enable_grad():
            x = torch.lerp(x0, x1, point).requires_grad_()
            (slope,) = torch.autograd.grad(run(x), x, g)
        total += weight * slope
    return total


def equal_constants(pair: Pair, carries: Slots) -> bool:
    """Return whether the factors that carry nothing are the same in both passes."""
    names = [pair.operation.slot_kept(slot) for slot in pair.operation.factors if not carries[slot]]
    return all(_is_shared(pair, name) or torch.equal(*pair.kept(name)) for name in names if pair.keeps(name))


def _is_shared(pair: Pair, name: str) -> bool:
    """Return whether both nodes kept the same tensor, such as a parameter."""
    if any(unpacking(node, name) is not None for node in (pair.node, pair.other)):
        return False
    v1, v0 = pair.each(lambda node: memory(node, name), name)
    if not isinstance(v1, Tensor):
        return True
    if v1.is_sparse or v0.is_sparse:
        return v1 is v0
    return v1.data_ptr() == v0.data_ptr() and v1.shape == v0.shape and v1.stride() == v0.stride()


def _simplest(share_of_scores: float, pair: Pair, carries: Slots) -> Rule | None:
    """Return the derivative for a product with parameters, and the split of nested products into all their factors."""
    op = pair.operation
    open_factors = [slot for slot in op.factors if slot < len(carries) and carries[slot]]
    if op.base == "EmbeddingBag" and read(pair.node, "mode", 0) == 2:  # the maximum
        return bound(INEXACT, mean_of_derivatives, pair)
    is_linear = len(open_factors) == 1 and op.base not in ("Prod", "Cumprod") and not (op.base == "Div" and carries[1])
    if is_linear and equal_constants(pair, carries):
        return gradient
    if len(open_factors) < 2 or op.base not in ("Mul", "Div"):
        return None

    if factors := nested_factors(pair):
        return nested_rule(pair, factors)
    if pair.node not in pair.graph.once(softmaxes).parts and (slot := scale_slot(pair.node, pair.graph)) is not None:
        return bound("secant, exact split of a scale", partial(_scaled, slot), pair)
    return None


def product(share_of_scores: float = 1.0) -> Rule:
    """Return the rule of products; of the product that an attention's scores are, each factor gets a share."""
    name = "secant, exact split" + (f" (queries and keys {share_of_scores})" if share_of_scores != 1 else "")
    return secant_rule(name, partial(_backward, share_of_scores), simplest=partial(_simplest, share_of_scores))
