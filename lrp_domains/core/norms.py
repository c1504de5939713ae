"""Normalisation layers as one node: ``y = (x - mean) * rstd * w + b``, with the scale ``rstd`` a constant.

LN-rule (Ali et al. 2022, eq. 7; Achtibat et al. 2024, Prop. 3.4): what remains is linear, so
``g_x = h - mean(h)`` with ``h = g * w * rstd``; an RMS norm isn't centred and has no mean to take off.
"""

from __future__ import annotations

import torch

from .operations import operation
from .rule import Grads, Node, Rule, Slots, factors_closed


def _norm_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    row = {"NativeLayerNorm": _layer_norm, "NativeGroupNorm": _group_norm, "FusedRmsNorm": _rms_norm}
    return (row[operation(node.name()).base](node, go[0]), *gi[1:])


def _layer_norm(node: Node, g: torch.Tensor) -> torch.Tensor:
    dims = tuple(range(-len(node._saved_normalized_shape), 0))
    weight, rstd = node._saved_weight, node._saved_result2
    h = g.to(rstd.dtype) * rstd
    if weight is not None:
        h = h.mul_(weight)
    return h.sub_(h.mean(dims, keepdim=True)).to(g.dtype)


def _rms_norm(node: Node, g: torch.Tensor) -> torch.Tensor:
    weight, rstd = node._saved_weight, node._saved_result1
    h = g.to(rstd.dtype) * rstd
    return (h if weight is None else h.mul_(weight)).to(g.dtype)


def _group_norm(node: Node, g: torch.Tensor) -> torch.Tensor:
    weight, rstd, groups = node._saved_weight, node._saved_result2, node._saved_group
    h = g if weight is None else g * weight.view(-1, *[1] * (g.ndim - 2))
    h = h.reshape(g.shape[0], groups, -1) * rstd.view(g.shape[0], groups, 1)
    return (h - h.mean(-1, keepdim=True)).view_as(g).to(g.dtype)


norm = Rule("scale constant", opens=factors_closed, backward=_norm_backward)
"""LayerNorm, GroupNorm and the fused RMSNorm: the scale is constant (Ali et al. 2022)."""


def is_instance_norm(node: Node) -> bool:
    """`nn.InstanceNorm` arrives as a batch norm with statistics over one folded batch row: rows don't mix. It has no
    running statistics, which tells it from a batch norm that was left in training mode and met a batch of one."""
    return node._saved_training and node._saved_input.shape[0] == 1 and node._saved_running_mean is None


def _batch_norm_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if not node._saved_training:
        return gi  # running statistics are constants: the derivative is LRP-0
    x, weight = node._saved_input, node._saved_weight
    dims = [0, *range(2, x.ndim)]
    eps = node._saved_epsilon if hasattr(node, "_saved_epsilon") else node._saved_eps  # cuDNN's has another name
    rstd = (x.var(dims, unbiased=False, keepdim=True) + eps).rsqrt()
    h = go[0] * rstd
    if weight is not None:
        h = h * weight.view(1, -1, *[1] * (x.ndim - 2))
    return (h - h.mean(dims, keepdim=True), *gi[1:])


batch_norm = Rule("scale constant", opens=factors_closed, backward=_batch_norm_backward)
"""BatchNorm with running statistics (linear: the derivative), and InstanceNorm."""


def batch_norm_shift(node: Node) -> torch.Tensor:
    """What a batch norm with running statistics adds beside its bias, ``- mean * w / std``, one value a channel."""
    shift = -node._saved_running_mean / torch.sqrt(node._saved_running_var + node._saved_eps)
    return shift if node._saved_weight is None else shift * node._saved_weight
