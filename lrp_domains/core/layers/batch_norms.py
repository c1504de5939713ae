"""Batch norms behind layers: with running statistics they are a part of the layer, as if merged into its weights.

``s (x w + b) + t`` is the layer with weights ``s w`` and bias ``s b + t``, one s and t per channel.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch

from ..graph.batch_norms import by_channel, is_fixed, scales
from ..graph.functions import wide
from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.operations import VIEWS
from ..graph.replay import pulled
from ..graph.saved import read
from ..graph.weights import weight_slot

Tensor = torch.Tensor
_DENSE = frozenset(("Mm", "Addmm"))


def channels_scaled(
    nodes: Collection[Node], graph: Graph, layers: Collection[Node], users: Mapping[Edge, list[Edge]]
) -> dict[Node, tuple[Edge, Tensor]]:
    """Return the batch norms among nodes that belong to a layer: the layer's edge, and the scale of its channels."""
    found = {}
    for node in nodes:
        way = _way_to_layer(node, graph, layers, users) if is_fixed(node, graph) else None
        if way is not None and (scale := _scale_at(node, way, graph)) is not None:
            found[node] = way[-1], scale
    return found


def aligned(scale: Tensor, node: Node, w: Tensor) -> Tensor:
    """Return the scale of a layer's channels in the shape of its weights."""
    if node.name().startswith("Convolution"):
        kernel = [1] * (w.ndim - 2)
        if not read(node, "transposed"):
            return scale.view(-1, 1, *kernel)
        groups = read(node, "groups")  # the weights are (inputs, channels of one group, *kernel)
        return scale.view(groups, 1, -1, *kernel).expand(-1, len(w) // groups, *w.shape[1:]).reshape(w.shape)
    return scale


def _way_to_layer(
    node: Node, graph: Graph, layers: Collection[Node], users: Mapping[Edge, list[Edge]]
) -> list[Edge] | None:
    """Return the edges from a batch norm's input to the layer that it scales; None if it scales no layer alone.

    Between them are only views that keep all entries.
    """
    edge, way = graph.edges[node][0], []
    while True:
        way.append(edge)
        if edge in graph.sources or len(users.get(edge, ())) != 1:
            return None
        if edge[0] in layers:
            base, slot = graph.operations[edge[0]].base, weight_slot(edge[0], graph)
            on_the_right = base in _DENSE and slot == graph.operations[edge[0]].factors[1]
            return way if base == "Convolution" or on_the_right else None
        if edge[0] not in graph.reaching or graph.operations[edge[0]].base not in VIEWS:
            return None
        behind = graph.edges[edge[0]][0]
        if math.prod(shape_of(behind)) != math.prod(shape_of(edge)):
            return None
        edge = behind


def _scale_at(node: Node, way: list[Edge], graph: Graph) -> Tensor | None:
    """Return the scale of each channel of a layer; None if the batch norm scales entries of a channel differently."""
    channel = 1 if graph.operations[way[-1][0]].base == "Convolution" else -1
    shape = shape_of(way[0])
    scale = by_channel(wide(scales(node).detach()), len(shape))
    if len(way) == 1 and channel % len(shape) == 1:
        return scale.flatten()

    values = scale.expand(shape)
    for edge in way[:-1]:
        values = pulled(edge, 0, values, graph)
    rows = values.movedim(channel, -1).flatten(0, -2)
    return rows[0] if bool((rows == rows[0]).all()) else None
