"""Randomness that a forward pass in training mode leaves in the graph: found, and refused."""

from __future__ import annotations

import torch

from .checkpoints import unpacking
from .errors import RelevanceError
from .graph import Node
from .norms import is_instance_norm
from .operations import operation

_EVAL = 'call model.eval() before the forward pass (or accept the noise with unknown="gradient")'


def refuse_training(node: Node, unknown: str) -> None:
    """Raise if a node is a dropout or a batch norm that used its batch's statistics."""
    if unknown == "gradient":
        return
    op = operation(node.name())
    if op.kind == "batch_norm" and node._saved_training and not is_instance_norm(node):
        raise RelevanceError(f"{node.name()} used the statistics of its batch, so rows mix: {_EVAL}")
    if op.kind == "attention" and getattr(node, "_saved_dropout_p", 0.0) > 0:
        raise RelevanceError(f"{node.name()} has dropout switched on: {_EVAL}")
    if op.base == "RreluWithNoise" and node._saved_training:
        raise RelevanceError(f"{node.name()} drew its slopes at random: {_EVAL}")
    if op.base in ("Mul", "Div") and _is_dropout(node):
        raise RelevanceError(f"{node.name()} multiplies by what looks like a dropout mask: {_EVAL}")


def _is_dropout(node: Node) -> bool:
    """On the CPU dropout is a product with a constant tensor of zeros and 1 / (1 - p)."""
    edges = node.next_functions
    if len(edges) < 2 or (edges[0][0] is None) == (edges[1][0] is None):
        return False
    name = "other" if edges[1][0] is None else "self"
    if unpacking(node, name) is not None:
        return False  # recomputed at each look: not for a check
    mask = getattr(node, f"_saved_{name}")
    if not isinstance(mask, torch.Tensor) or mask.numel() < 2 or not mask.is_floating_point():
        return False
    if mask.numel() * mask.element_size() != mask.untyped_storage().nbytes():
        return False  # a view: the mask that dropout draws is a tensor of its own
    sample = mask.detach().as_strided((min(512, mask.numel()),), (1,), 0)
    top = sample.max()
    return bool(top > 1 and (sample == 0).any() and ((sample == 0) | (sample == top)).all())
