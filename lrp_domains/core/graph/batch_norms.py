"""What a batch norm with running statistics multiplies by: one number per channel, the second dimension."""

from __future__ import annotations

import torch

from .functions import wide
from .graph import Graph, Node
from .saved import has, is_training, read

Tensor = torch.Tensor


def is_fixed(node: Node, graph: Graph) -> bool:
    """Return whether a node is a batch norm that used its running statistics."""
    return graph.operations[node].kind == "batch_norm" and not is_training(node)


def eps_of(node: Node) -> float:
    """Return what is added to the variances."""
    return read(node, "eps") if has(node, "eps") else read(node, "epsilon")  # cuDNN's name


def scales(node: Node) -> Tensor:
    """Return ``w / sqrt(var + eps)`` per channel, from the running statistics."""
    scale = (read(node, "running_var") + eps_of(node)).rsqrt()
    return scale if read(node, "weight") is None else scale * read(node, "weight")


def shift(node: Node, bias: Tensor | None) -> Tensor:
    """Return what a batch norm adds per channel, given its own bias."""
    added = wide(-read(node, "running_mean") * scales(node)).detach()
    return added if bias is None else added + bias


def normed(node: Node, x: Tensor, bias: Tensor | None) -> Tensor:
    """Return the value of a batch norm for x."""
    return x * by_channel(wide(scales(node).detach()), x.ndim) + by_channel(shift(node, bias), x.ndim)


def by_channel(values: Tensor, ndim: int) -> Tensor:
    """Return values per channel in the shape in which they broadcast to a tensor."""
    return values.view(1, -1, *[1] * (ndim - 2))
