"""Normalisation: with its scale held constant it is linear (LN-rule, Ali et al. 2022, eq. 7; Achtibat et al. 2024,
Prop. 3.4).

For ``y = (x - mean) * rstd * w + b``: ``g_x = h - mean(h)`` with ``h = g * w * rstd``. An RMS norm isn't centred, so
no mean is subtracted. Of a norm that is written by hand the graph shows the statistics.
"""

from __future__ import annotations

import math

import torch

from ..graph.batch_norms import by_channel, eps_of, scales
from ..graph.elementwise import argument, degree_of
from ..graph.operations import operation_of
from ..graph.saved import dimension, is_training, read
from ..rule import Grads, Node, Rule, Slots, factors_closed


def _norm_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    functions = {"NativeLayerNorm": _layer_norm, "NativeGroupNorm": _group_norm, "FusedRmsNorm": _rms_norm}
    return (functions[operation_of(node).base](node, go[0]), *gi[1:])


def _layer_norm(node: Node, g: torch.Tensor) -> torch.Tensor:
    dims = tuple(range(-len(read(node, "normalized_shape")), 0))
    weight, rstd = read(node, "weight"), read(node, "result2")
    h = g.to(rstd.dtype) * rstd
    if weight is not None:
        h = h.mul_(weight)
    return h.sub_(h.mean(dims, keepdim=True)).to(g.dtype)


def _rms_norm(node: Node, g: torch.Tensor) -> torch.Tensor:
    weight, rstd = read(node, "weight"), read(node, "result1")
    h = g.to(rstd.dtype) * rstd
    return (h if weight is None else h.mul_(weight)).to(g.dtype)


def _group_norm(node: Node, g: torch.Tensor) -> torch.Tensor:
    weight, rstd, groups = read(node, "weight"), read(node, "result2"), read(node, "group")
    h = g if weight is None else g * weight.view(-1, *[1] * (g.ndim - 2))
    h = h.reshape(g.shape[0], groups, -1) * rstd.view(g.shape[0], groups, 1)
    return (h - h.mean(-1, keepdim=True)).view_as(g).to(g.dtype)


norm = Rule("scale constant", opens=factors_closed, backward=_norm_backward, bounded=True)
"""LayerNorm, GroupNorm and the fused RMSNorm."""


# ---- Batch norms: one value per channel, the second dimension


def is_instance_norm(node: Node) -> bool:
    """Return whether a batch norm is an `nn.InstanceNorm`, in which rows don't mix.

    PyTorch records it as a batch norm over a batch of one, into which all rows are folded. Unlike a batch norm that was
    left in training mode and met a batch of one, it has no running statistics.
    """
    return is_training(node) and read(node, "input").shape[0] == 1 and read(node, "running_mean") is None


def fixed_batch_norm(gi: Grads, g: torch.Tensor, scale: torch.Tensor) -> Grads:
    """Return what a batch norm with running statistics passes back, given what it multiplies by."""
    # Linear, but torch's derivative is wrong on the CPU for a batch of one whose gradient arrives transposed.
    of_bias = None if gi[2] is None else g.sum([d for d in range(g.ndim) if d != 1]).to(gi[2].dtype)
    return (g * scale).to(g.dtype), gi[1], of_bias


def _batch_norm_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g = go[0]
    if not is_training(node):
        return fixed_batch_norm(gi, g, by_channel(scales(node), g.ndim))

    x, weight = read(node, "input"), read(node, "weight")
    dims = [0, *range(2, x.ndim)]
    h = g * (x.var(dims, unbiased=False, keepdim=True) + eps_of(node)).rsqrt()
    if weight is not None:
        h = h * by_channel(weight, x.ndim)
    return (h - h.mean(dims, keepdim=True), *gi[1:])


def _running_mean(node: Node, gi: Grads, go: Grads) -> tuple[str, torch.Tensor]:
    """Return the relevance of what running statistics contribute besides the bias, ``- mean * w / std`` per channel."""
    if is_training(node):
        return "running mean", go[0].new_zeros((), dtype=torch.float64)
    g = go[0].sum([d for d in range(go[0].ndim) if d != 1])
    return "running mean", -(g * read(node, "running_mean") * scales(node)).double().sum()


batch_norm = Rule("scale constant", opens=factors_closed, backward=_batch_norm_backward, adds=_running_mean)
"""BatchNorm with running statistics, and InstanceNorm."""


# ---- Statistics as features: homogeneous, so the identity rule is the derivative divided by the degree


def _statistic_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    degree = degree_of(node)
    if degree == 0:  # the number of values that aren't 0
        return gi
    if operation_of(node).base not in ("VarMean", "StdMean"):
        return tuple(None if g is None else g / degree for g in gi)

    # Two outputs: the mean is linear and gets its derivative, the spread its derivative divided by the degree.
    x, of_spread, of_mean = argument(node), go[0], go[1]
    if of_mean is None:
        return (gi[0] / degree,)
    saved_dim = read(node, "dim")
    dims = range(x.ndim) if not saved_dim else sorted(dimension(d, x.ndim) for d in saved_dim)
    if not read(node, "keepdim"):
        for d in dims:
            of_mean = of_mean.unsqueeze(d)
    g = (of_mean / math.prod(x.shape[d] for d in dims)).expand_as(x)
    return (g if of_spread is None else g + (gi[0] - g) / degree,)


statistic = Rule("identity", backward=_statistic_backward)
"""A deviation, a variance or a norm as a feature. As a factor it is a scale, which products.py holds constant."""
