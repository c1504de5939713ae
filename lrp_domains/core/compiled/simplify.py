"""A recorded graph without what only matters to autograd, and without views that change nothing.

At small sizes an operation takes as long as Python needs to call it, and half of those that are recorded are views.
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
_VIEW = aten.view.default
_TRANSPOSED = {aten.t.default, aten.transpose.int}


def simplify(graph: GraphModule) -> None:
    """Simplify a recorded graph in place. What is left shares memory as before, so writes in place stay the same."""
    known: dict[tuple, Node] = {}
    for node in graph.graph.find_nodes(op="call_function", target=aten.detach.default):
        node.replace_all_uses_with(node.args[0])
    for node in graph.graph.nodes:
        if node.target is _VIEW:
            if node.args[0].target is _VIEW:  # of a view: the same of what that is a view of
                node.args = (node.args[0].args[0], *node.args[1:])
            if _shape(node) is not None and _shape(node) == _shape(node.args[0]):
                node.replace_all_uses_with(node.args[0])
        elif node.target in _TRANSPOSED:
            behind = node.args[0]
            if behind.target is node.target and _swapped(behind) == _swapped(node):
                node.replace_all_uses_with(behind.args[0])
            elif (same := known.setdefault((node.target, node.args), node)) is not node:
                node.replace_all_uses_with(same)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _shape(node: Node) -> torch.Size | None:
    return getattr(node.meta.get("tensor_meta"), "shape", None)


def _swapped(node: Node) -> frozenset[int]:
    """Return the dimensions that a node exchanges."""
    dims = node.args[1:] or (0, 1)
    count = len(_shape(node) or ())
    return frozenset(dim % count if count else dim for dim in dims)
