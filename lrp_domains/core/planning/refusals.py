"""Refusals of graphs from a forward pass in training mode: dropout, batch statistics, random slopes."""

from __future__ import annotations

import torch

from ..errors import RelevanceError
from ..graph.graph import Graph, Node
from ..graph.operations import OPERATIONS
from ..graph.questions import question
from ..graph.saved import is_training, read, unpacking
from ..rules.norms import is_instance_norm

_EVAL = 'call model.eval() before the forward pass (or accept the noise with unknown="gradient")'
# The operations that `refuse_training` looks at.
NOISY = tuple(
    base
    for base, op in OPERATIONS.items()
    if op.kind in ("batch_norm", "attention") or base in ("RreluWithNoise", "Mul", "Div")
)


def refuse_training(node: Node, graph: Graph, unknown: str) -> None:
    """Raise if a node is a dropout, drew its slopes at random, or is a batch norm that used its batch's statistics."""
    if unknown == "gradient":
        return
    op = graph.operations[node]
    if op.kind == "batch_norm" and is_training(node) and not is_instance_norm(node):
        raise RelevanceError(f"{node.name()} used the statistics of its batch, so rows mix: {_EVAL}")
    if op.kind == "attention" and read(node, "dropout_p") > 0:
        raise RelevanceError(f"{node.name()} has dropout switched on: {_EVAL}")
    if op.base == "RreluWithNoise" and read(node, "training"):
        raise RelevanceError(f"{node.name()} drew its slopes at random: {_EVAL}")
    if op.base in ("Mul", "Div") and _is_dropout(node, graph):
        raise RelevanceError(f"{node.name()} multiplies by what looks like a dropout mask: {_EVAL}")


def _is_dropout(node: Node, graph: Graph) -> bool:
    """Return whether a product looks like dropout: on the CPU, one with a constant tensor of zeros and 1 / (1 - p).

    That tensor was drawn in place and then scaled in place, so its version is 2. A mask that the model itself made,
    such as a graph's adjacency matrix, was not written to.
    """
    edges, slots = graph.edges[node], graph.carried[node]
    if len(edges) < 2 or len(slots) != 1 or edges[1 - slots[0]][0] is not None:
        return False
    return _keeps_mask(node, ("self", "other")[1 - slots[0]])


@question
def _keeps_mask(node: Node, name: str) -> bool:
    """Return whether a node keeps what looks like a dropout mask under a name."""
    if unpacking(node, name) is not None:
        return False  # reading it would recompute a checkpoint, which a check isn't worth
    mask = read(node, name, None)
    if not isinstance(mask, torch.Tensor) or mask.numel() < 2 or not mask.is_floating_point() or mask._version != 2:
        return False
    if mask.numel() * mask.element_size() != mask.untyped_storage().nbytes():
        return False  # a view, while dropout draws a whole tensor

    sample = mask.detach().as_strided((min(512, mask.numel()),), (1,), 0)
    largest = sample.max()
    return bool(largest > 1 and (sample == 0).any() and ((sample == 0) | (sample == largest)).all())
