"""The values of neurons as later operations kept them, so that they needn't be computed again."""

from __future__ import annotations

from collections.abc import Collection

import torch

from ..graph.functions import wide
from ..graph.graph import Edge, Graph, Node
from ..graph.saved import keeps, read, unpacking


def kept_value(edge: Edge, users: list[Edge], graph: Graph, plain: Collection[Node]) -> torch.Tensor | None:
    """Return the value at an edge, as one of the given users of it kept it; None if none did, or in half precision.

    Where a ReLU is the only user, negative values are 0: no relevance arrives there, if its rule is the derivative, as
    that of the nodes in ``plain`` is.
    """
    for user, slot in users:
        if (value := _kept(user, graph.operations[user].slot_kept(slot))) is not None:
            return value
    if len(users) == 1 and users[0][0] in plain and graph.operations[users[0][0]].base == "Relu":
        return _kept(users[0][0], "result")
    return None


def _kept(node: Node, name: str | None) -> torch.Tensor | None:
    """Return what a node kept under a name, if that takes no time and no memory."""
    if name is None or not keeps(node, name) or unpacking(node, name) is not None:
        return None
    value = read(node, name).detach()
    return value if wide(value) is value else None
