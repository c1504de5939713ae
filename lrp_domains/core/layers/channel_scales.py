"""Scales of a layer's channels: they are a part of the layer, as if merged into its weights.

``s (x w + b) + t`` is the layer with weights ``s w`` and bias ``s b + t``, one s and t per channel. What scales is a
batch norm with running statistics, or a product with a constant that has one number per channel and no batch dimension,
as batch norms that are written by hand, frozen or exported have.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch

from ..graph.batch_norms import by_channel, is_fixed, scales
from ..graph.functions import wide
from ..graph.graph import Edge, Graph, Node, dtype_of, shape_of
from ..graph.operations import VIEWS
from ..graph.replay import pulled
from ..graph.saved import keeps, read
from ..graph.weights import adds_bias, is_parameter, is_vector_or_parameter, leaves_behind, weight_slot
from ..roles.roles import Roles
from .steps import MULTIPLYING, SCALING, SUMS, is_step

Tensor = torch.Tensor
_DENSE = frozenset(("Mm", "Addmm"))


@dataclass(frozen=True)
class ChannelScale:
    """A node that scales the channels of layers.

    Attributes
    ----------
    slot
        Where it takes their results.
    factor
        What it multiplies them by; broadcasts to its input.
    of_layers
        The edges of the layers, each with the scale of its channels.
    """

    slot: int
    factor: Tensor
    of_layers: dict[Edge, Tensor]


def channel_scales(
    nodes: Collection[Node], graph: Graph, layers: Collection[Node], users: Mapping[Edge, list[Edge]]
) -> dict[Node, ChannelScale]:
    """Return what scales the channels of layers among some nodes that relevance flows through."""
    found: dict[Node, ChannelScale] = {}
    for node in graph.reaching:  # inputs first
        if node not in nodes or node in layers or (scaled := _slot_and_factor(node, graph)) is None:
            continue
        slot, factor = scaled
        ways = _ways_to_layers(graph.edges[node][slot], graph, layers, users, found)
        of_layers = {way[-1]: _of_channels(factor, way, graph) for way in ways}
        if of_layers and all(scale is not None for scale in of_layers.values()):
            found[node] = ChannelScale(slot, factor, of_layers)
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


def _slot_and_factor(node: Node, graph: Graph) -> tuple[int, Tensor] | None:
    """Return the slot that a node scales and what it multiplies by, with as many dimensions; None if it doesn't."""
    op, slots, shape = graph.operations[node], graph.carried[node], shape_of((node, 0))
    if is_fixed(node, graph):
        return 0, by_channel(wide(scales(node).detach()), len(shape))

    edges = graph.edges[node]
    if op.base not in MULTIPLYING | {"Addcmul"} or len(slots) != 1 or slots[0] not in op.factors or len(edges) < 2:
        return None
    slot, other = slots[0], sum(op.factors) - slots[0]
    name = op.slot_kept(other)
    if (op.base == "Div" and slot) or shape_of(edges[slot]) != shape or not keeps(node, name):
        return None
    if dtype_of((node, 0)).is_complex:
        return None
    factor = graph.once(Roles).values.kept(node, name) * read(node, "value", 1)
    leaves = [] if edges[other][0] is None else leaves_behind(edges[other], graph)
    # (1, C, 1, 1) may be the gate of a batch of one: what belongs to a row must not depend on the size of the batch.
    if (
        factor.ndim == len(shape)
        and not (leaves and all(map(is_parameter, leaves)))
        and not is_vector_or_parameter(node, name)
    ):
        return None
    factor = factor.view([1] * (len(shape) - factor.ndim) + list(factor.shape))
    return slot, 1 / factor if op.base == "Div" else factor


def _ways_to_layers(
    edge: Edge,
    graph: Graph,
    layers: Collection[Node],
    users: Mapping[Edge, list[Edge]],
    scales: Collection[Node],
) -> list[list[Edge]]:
    """Return the edges of the views from an edge to each layer whose result enters it, the edge of the layer last.

    Empty if anything else enters it, or if a value on the way is used elsewhere. Between are only views that keep all
    entries, sums and scales.
    """
    ways, pending = [], [([], edge)]
    while pending:
        views, edge = pending.pop()
        node, op = edge[0], graph.operations.get(edge[0])
        if edge in graph.sources or node not in graph.reaching or len(users.get(edge, ())) != 1:
            return []
        if node in layers:
            on_the_right = op.base in _DENSE and weight_slot(node, graph) == op.factors[1]
            if op.base != "Convolution" and not on_the_right:
                return []
            ways.append([*views, edge])
            slots = [slot for slot in graph.carried[node] if slot == adds_bias(node, op)]
        elif op.base in VIEWS | SUMS or node in scales or (op.base in SCALING and is_step(node, graph, layers)):
            slots = graph.carried[node]
        else:
            return []

        is_view = op.base in VIEWS
        for behind in (graph.edges[node][slot] for slot in slots):
            before, after = shape_of(behind), shape_of(edge)
            if math.prod(before) != math.prod(after) or (before != after and not is_view):
                return []
            pending.append(([*views, edge] if is_view else views, behind))
    return ways


def _of_channels(factor: Tensor, way: list[Edge], graph: Graph) -> Tensor | None:
    """Return the scale of each channel of a layer; None if entries of a channel are scaled differently."""
    *views, layer = way
    shape, channel = shape_of(layer), 1 if graph.operations[layer[0]].base == "Convolution" else -1
    if not views:
        is_per_channel = factor.numel() == factor.shape[channel]
        return factor.flatten().expand(shape[channel]) if is_per_channel else None

    # Which number of the factor each entry of the layer's result is multiplied by.
    numbers = torch.arange(factor.numel(), device=factor.device, dtype=torch.float64).view(factor.shape)
    numbers = numbers.expand(shape_of(views[0]))
    for edge in views:
        numbers = pulled(edge, 0, numbers, graph)
    rows = numbers.movedim(channel, -1).flatten(0, -2).long()
    return factor.flatten()[rows[0]] if bool((rows == rows[0]).all()) else None
