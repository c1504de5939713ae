"""Secants of norms and of statistics.

A norm is a product of the centred input c and a scale r, ``y = c r w``: its secant is the exact split of that product,
followed by the secant of ``r = (mean(c^2) + eps)^-1/2``,

    h = g w (r1 + r0) / 2 - r1^2 r0^2 / (r1 + r0) (c1 + c0) mean(g w (c1 + c0) / 2)
    g_x = h - mean(h)

which is what the same norm written out by hand gets (scales.py says what happens if r1 and r0 differ much). A mean of
squares is quadratic, so its secant is the mean of its derivatives at both ends, and that of its root y follows with
``y1^2 - y0^2 = (y1 + y0) (y1 - y0)``.
"""

from __future__ import annotations

import torch

from ..graph.elementwise import order_of
from ..graph.functions import wide
from ..graph.saved import dimension, is_training, read
from ..rule import Grads, Slots
from ..rules.norms import batch_norm
from .pairs import Both, Pair, mean_of_derivatives, put, secant_rule
from .quotients import quotient, secant_of
from .scales import split_by_scale

Tensor = torch.Tensor


def norm_secant(c: Both, r: Both, gw: Tensor, dims: int | tuple[int, ...]) -> Tensor:
    """Return the g of the centred input of a norm."""
    (c1, c0), (r1, r0) = c, r
    of_c, of_r = split_by_scale(c, r)
    dot = of_r.mul_(gw).mean(dims, keepdim=True)
    return gw * of_c - (r1.square() * r0.square() / (r1 + r0) * dot) * (c1 + c0)


def _norm(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    functions = {"NativeLayerNorm": _layer_norm, "NativeGroupNorm": _group_norm, "FusedRmsNorm": _rms_norm}
    g_x = functions[pair.operation.base](pair, wide(go[0])) if carries[0] else None
    return _with_parameters(pair, carries, gi, go, g_x)


def _with_parameters(pair: Pair, carries: Slots, gi: Grads, go: Grads, g_x: Tensor | None) -> Grads:
    """Return the g of the input with those of a weight and a bias that are computed from the inputs."""
    by_slot = {} if g_x is None else {0: g_x}
    if any(carries[1:]):
        means = mean_of_derivatives(pair, carries, gi, go)
        by_slot |= {slot: means[slot] for slot in range(1, len(carries)) if carries[slot]}
    return put(gi, by_slot)


def _weighted(pair: Pair, g: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return g times the norm's weight; where that differs between both passes, its mean."""
    w1, w0 = pair.read("weight")
    if w1 is None:
        return g
    weight = wide(w1.detach()) if w1 is w0 else (wide(w1.detach()) + wide(w0.detach())) / 2
    return g * (weight if shape is None else weight.view(shape))


def _layer_norm(pair: Pair, g: Tensor) -> Tensor:
    dims = tuple(range(-len(read(pair.node, "normalized_shape")), 0))
    x, mean, r = (pair.kept(name) for name in ("input", "result1", "result2"))
    h = norm_secant((x[0] - mean[0], x[1] - mean[1]), r, _weighted(pair, g), dims)
    return h - h.mean(dims, keepdim=True)


def _rms_norm(pair: Pair, g: Tensor) -> Tensor:
    dims = tuple(range(-len(read(pair.node, "normalized_shape")), 0))
    return norm_secant(pair.kept("input"), pair.kept("result1"), _weighted(pair, g), dims)


def _group_norm(pair: Pair, g: Tensor) -> Tensor:
    by_group = (g.shape[0], read(pair.node, "group"), -1)
    x, mean, r = (pair.kept(name) for name in ("input", "result1", "result2"))
    c = tuple(values.reshape(by_group) - m.view(*by_group[:2], 1) for values, m in zip(x, mean, strict=True))
    r = tuple(scale.view(*by_group[:2], 1) for scale in r)
    h = norm_secant(c, r, _weighted(pair, g, (-1, *[1] * (g.ndim - 2))).reshape(by_group), -1)
    return (h - h.mean(-1, keepdim=True)).view_as(g)


def _batch_norm(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if not is_training(pair.node):  # linear, and so is the weight
        of_x, *others = batch_norm.backward(pair.node, carries, gi, go)
        return mean_of_derivatives(pair, carries, (of_x, *others), go) if any(carries[1:]) else (of_x, *others)

    # An instance norm: one value per channel of each row.
    g, x = wide(go[0]), pair.kept("input")
    dims, eps = (0, *range(2, g.ndim)), read(pair.node, "eps", None) or read(pair.node, "epsilon", 0.0)
    c = tuple(values - values.mean(dims, keepdim=True) for values in x)
    r = tuple((values.square().mean(dims, keepdim=True) + eps).rsqrt() for values in c)
    h = norm_secant(c, r, _weighted(pair, g, (1, -1, *[1] * (g.ndim - 2))), dims)
    return _with_parameters(pair, carries, gi, go, h - h.mean(dims, keepdim=True))


# ---- Statistics


def _statistic(pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    base = pair.operation.base
    if base in ("Var", "VarMean", "MseLoss"):
        return mean_of_derivatives(pair, carries, gi, go)
    if base in ("Std", "StdMean") or order_of(pair.node) in (2, None):
        return put(gi, {slot: g for slot, g in enumerate(_root(pair, go)) if g is not None and carries[slot]})
    return put(gi, {0: _p_norm(pair, gi, go)})


def _root(pair: Pair, go: Grads) -> Grads:
    """Return the g for a root of a sum of squares: each node's derivative, weighted by its result over their sum."""
    base = pair.operation.base
    name = "result0" if base == "StdMean" else "result"
    y1, y0 = pair.kept(name)
    total = []
    for y, of_reference in ((y1, False), (y0, True)):
        share = quotient(y, y1 + y0, 0.0)
        of_mean = [g / 2 if g is not None else None for g in go[1:]]  # the mean, which is linear
        arriving = (None if go[0] is None else wide(go[0]) * share.view_as(go[0]), *of_mean)
        total.append(pair.derivative(arriving, of_reference=of_reference))
    return tuple(None if a is None else a + b for a, b in zip(*total, strict=True))


def _p_norm(pair: Pair, gi: Grads, go: Grads) -> Tensor:
    """Return the g for a norm of order p: the secants of ``|x|^p`` and of the root of its sum."""
    p, g, x, y = order_of(pair.node), wide(go[0]), pair.kept("self"), pair.kept("result")
    if p == 0:
        return torch.zeros_like(x[0])
    dims = read(pair.node, "dim", None)
    dims = sorted(dimension(d, x[0].ndim) for d in dims) if dims else list(range(x[0].ndim))
    if not read(pair.node, "keepdim", False):
        for dim in dims:
            g, y = g.unsqueeze(dim), tuple(result.unsqueeze(dim) for result in y)
    if abs(p) == torch.inf:
        return _largest(x, y, g, dims)

    sums = tuple(result.pow(p) for result in y)
    of_sum = secant_of(sums, y, g, g * quotient(y[0].pow(1 - p), torch.full_like(y[0], p), 0.0))
    powers = tuple(values.abs().pow(p) for values in x)
    slope = p * x[0].abs().pow(p - 1).nan_to_num(0.0, 0.0, 0.0) * x[0].sign()
    of_sum = of_sum.expand_as(x[0])
    return secant_of(x, powers, of_sum, of_sum * slope)


def _largest(x: Both, y: Both, g: Tensor, dims: list[int]) -> Tensor:
    """Return the g for the largest or smallest absolute value: see selections.py."""
    rise = y[0] - y[1]
    winners = [(values.abs() == result) for values, result in zip(x, y, strict=True)]
    winner = torch.where(rise >= 0, *winners)
    part = g * rise * winner / winner.sum(dims, keepdim=True)
    return quotient(part, x[0] - x[1], torch.where(winner, g * x[0].sign(), 0.0))


norm = secant_rule("secant", _norm)
batch_norm_secant = secant_rule("secant", _batch_norm)
statistic = secant_rule("secant", _statistic)
