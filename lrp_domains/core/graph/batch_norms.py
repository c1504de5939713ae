"""What a batch norm with running statistics multiplies by: one number per channel, the second dimension."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .functions import wide
from .graph import Graph, Node
from .saved import has, is_training, keeps, read

Tensor = torch.Tensor
Kept = Callable[[Node, str], Tensor]


def is_fixed(node: Node, graph: Graph) -> bool:
    """Return whether a node is a batch norm that used its running statistics."""
    return graph.operations[node].kind == "batch_norm" and not is_training(node)


def eps_of(node: Node) -> float:
    """Return what is added to the variances."""
    return read(node, "eps") if has(node, "eps") else read(node, "epsilon")  # cuDNN's name


def scales(node: Node, kept: Kept = read) -> Tensor:
    """Return ``w / sqrt(var + eps)`` per channel, from the running statistics, read once each by ``kept``."""
    scale = (kept(node, "running_var") + eps_of(node)).rsqrt()
    return scale * kept(node, "weight") if keeps(node, "weight") else scale


def shift(node: Node, bias: Tensor | None, kept: Kept = read) -> Tensor:
    """Return what a batch norm adds per channel, given its own bias."""
    added = wide(-kept(node, "running_mean") * scales(node, kept)).detach()
    return added if bias is None else added + bias


def normed(node: Node, x: Tensor, bias: Tensor | None, kept: Kept = read) -> Tensor:
    """Return the value of a batch norm for x."""
    scale = by_channel(wide(scales(node, kept).detach()), x.ndim)
    return x * scale + by_channel(shift(node, bias, kept), x.ndim)


def by_channel(values: Tensor, ndim: int) -> Tensor:
    """Return values per channel in the shape in which they broadcast to a tensor."""
    return values.view(1, -1, *[1] * (ndim - 2))
