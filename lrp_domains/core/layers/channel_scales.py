"""Scales of a layer's channels: they are a part of the layer, as if merged into its weights.

``s (x w + b) + t`` is the layer with weights ``s w`` and bias ``s b + t``, one s and t per channel. What scales is a
batch norm with running statistics, or a product with a constant that has one number per channel and no batch dimension,
as batch norms that are written by hand, frozen or exported have. If rows go through the same weights one by one and are
joined, a number per row is no scale of channels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import torch

from ..graph.batch_norms import by_channel, is_fixed, scales
from ..graph.graph import Edge, Graph, Node, dtype_of, shape_of
from ..graph.saved import keeps, read
from ..graph.weights import adds_bias, is_of_no_row, keeps_no_row, weight_slot
from ..roles.roles import Roles
from .linear_maps import kept_factor
from .steps import JOINING, MULTIPLYING, TOTALS, is_step, joined, push

Tensor = torch.Tensor


@dataclass(frozen=True)
class ChannelScale:
    """A node that scales the channels of layers.

    Attributes
    ----------
    slot
        Where it takes their results.
    factor
        What it multiplies them by; broadcasts to its input.
    by_channel
        The same for each of the channels, as they are numbered there; 1 for those that don't enter.
    """

    slot: int
    factor: Tensor
    by_channel: Tensor


@dataclass(frozen=True)
class Channels:
    """The channels of the layers behind an edge.

    Attributes
    ----------
    numbers
        From which channel each entry comes, from 1 to `count`; 0 for constants. Broadcasts to the value.
    count
        The number of channels. Layers that are added have the same ones.
    layers
        The layers that were joined, each with the number of its channels; of layers that are added, the first.
    """

    numbers: Tensor
    count: int
    layers: tuple[tuple[Node, int], ...]


@dataclass(frozen=True)
class ChannelScales:
    """What scales the channels of layers among some nodes that relevance flows through.

    Only steps between a layer and a scale whose values aren't used elsewhere too are followed.
    """

    graph: Graph
    layers: Collection[Node]
    users: Mapping[Edge, list[Edge]]
    of: dict[Node, ChannelScale] = field(default_factory=dict)
    _known: dict[Edge, Channels | None] = field(default_factory=dict, repr=False)

    def find(self, nodes: Collection[Node]) -> dict[Node, ChannelScale]:
        """Return the scales among some nodes."""
        for node in self.graph.reaching:  # inputs first
            if node not in nodes or node in self.layers or (scaled := _slot_and_factor(node, self.graph)) is None:
                continue
            slot, factor = scaled
            channels = self._channels(self.graph.edges[node][slot])
            by = None if channels is None else _of_channels(factor, channels, shape_of((node, 0)))
            if by is not None and self._is_one_per_neuron(by, channels):
                self.of[node] = ChannelScale(slot, factor, by)
        return self.of

    def of_layers(self, steps: Mapping[Node, tuple[int, ...]]) -> dict[Edge, Tensor]:
        """Return what all scales among some steps together multiply the channels of layers by, by the layer's edge."""
        by: dict[Edge, Tensor] = {}
        for node, slots in steps.items():  # outputs first
            scaled = [edge for output in range(len(node._input_metadata)) if (edge := (node, output)) in by]
            if node in self.of:
                scale = self.of[node].by_channel
                total = scale * by[scaled[0]] if scaled else scale
            elif scaled:
                total = self._of_outputs(scaled, by)
            else:
                continue

            start = 0
            for slot in slots:
                behind = self.graph.edges[node][slot]
                if self.graph.operations[node].base in JOINING:
                    count = self._known[behind].count
                    by[behind] = total[start : start + count]
                    start += count
                else:
                    by[behind] = total
        return {edge: scale for edge, scale in by.items() if edge[0] in self.layers}

    def _is_one_per_neuron(self, by: Tensor, channels: Channels) -> bool:
        """Return whether joined layers with the same weights are scaled alike: else these are rows of one layer."""
        if len(channels.layers) == 1:
            return True
        known: list[tuple[Tensor, Tensor]] = []
        for (layer, _), scale in zip(channels.layers, by.split([count for _, count in channels.layers]), strict=True):
            w = kept_factor(layer, weight_slot(layer, self.graph), self.graph)
            same = [other for v, other in known if w is not None and v.shape == w.shape and torch.equal(v, w)]
            if not same and w is not None:
                known.append((w, scale))
            elif same and not torch.equal(same[0], scale):
                return False
        return True

    def _of_outputs(self, edges: list[Edge], by: dict[Edge, Tensor]) -> Tensor:
        """Return the scales of what a step cuts into the given outputs."""
        if len(edges[0][0]._input_metadata) == 1:
            return by[edges[0]]
        total = torch.ones_like(by[edges[0]])
        for edge in edges:
            enters = self._known[edge].numbers.unique().long() - 1
            total[enters] = by[edge][enters]
        return total

    def _channels(self, edge: Edge) -> Channels | None:
        """Return the channels of the layers behind an edge; None if anything else is behind it."""
        pending = [edge]
        while pending:
            edge = pending[-1]
            if edge in self._known:
                pending.pop()
            elif (behind := self._behind(edge)) is None:
                self._known[edge] = None
            elif missing := [child for child in behind.values() if child not in self._known]:
                pending += missing
            else:
                self._know(edge[0], {slot: self._known[child] for slot, child in behind.items()})
        return self._known[edge]

    def _behind(self, edge: Edge) -> dict[int, Edge] | None:
        """Return the edges whose channels an edge has, by slot; None if it has no channels."""
        node, graph = edge[0], self.graph
        if edge in graph.sources or node not in graph.reaching or len(self.users.get(edge, ())) != 1:
            return None
        slots, op = graph.carried[node], graph.operations[node]
        if node in self.layers:
            slots = [slot for slot in slots if slot == adds_bias(node, op)]
        elif op.base in TOTALS or not (node in self.of or is_step(node, graph, self.layers)):
            return None
        return {slot: graph.edges[node][slot] for slot in slots}

    def _know(self, node: Node, behind: dict[int, Channels | None]) -> None:
        """Note the channels at the outputs of a node."""
        outputs = [(node, output) for output in range(len(node._input_metadata))]
        self._known.update(dict.fromkeys(outputs))
        if None in behind.values():
            return

        if self.graph.operations[node].base in JOINING:
            parts, count = {}, 0
            for slot, channels in behind.items():
                numbers = channels.numbers.expand(shape_of(self.graph.edges[node][slot]))
                parts[slot], count = torch.where(numbers > 0, numbers + count, 0.0), count + channels.count
            layers = tuple(layer for channels in behind.values() for layer in channels.layers)
            self._known[node, 0] = Channels(joined(node, parts, self.graph), count, layers)
            return

        found = [[_of_layer(node, self.graph)]] if node in self.layers else []
        for slot, channels in behind.items():
            if shape_of((node, 0)) == shape_of(self.graph.edges[node][slot]) and len(behind) + len(found) > 1:
                found.append([channels])  # a sum leaves entries in their places
                continue
            numbers = channels.numbers.expand(shape_of(self.graph.edges[node][slot]))
            pushed = push(node, slot, numbers, self.graph)
            found.append([None if part is None else replace(channels, numbers=part) for part in pushed])
        for edge, same in zip(outputs, zip(*found, strict=True), strict=True):
            if None not in same and all(_are_equal(same[0], other, shape_of(edge)) for other in same[1:]):
                self._known[edge] = same[0]


def aligned(scale: Tensor, node: Node, w: Tensor, graph: Graph) -> Tensor:
    """Return the scale of a layer's channels in the shape of its weights."""
    op = graph.operations[node]
    if op.base == "Convolution":
        kernel = [1] * (w.ndim - 2)
        if not read(node, "transposed"):
            return scale.view(-1, 1, *kernel)
        groups = read(node, "groups")  # the weights are (inputs, channels of one group, *kernel)
        return scale.view(groups, 1, -1, *kernel).expand(-1, len(w) // groups, *w.shape[1:]).reshape(w.shape)
    return scale[:, None] if w.ndim > 1 and weight_slot(node, graph) == op.factors[0] else scale


def _of_layer(node: Node, graph: Graph) -> Channels | None:
    """Return the channels of a layer; None if it is of another kind than dense layers and convolutions are."""
    op, shape = graph.operations[node], shape_of((node, 0))
    is_on_the_left = weight_slot(node, graph) == op.factors[0]
    if op.base == "Convolution":
        dim = 1
    elif op.base in ("Mm", "Addmm", "Bmm", "Baddbmm"):
        dim = len(shape) - (2 if is_on_the_left else 1)
    elif op.base in ("Mv", "Addmv"):
        dim = 0 if is_on_the_left else None  # one neuron per row
    else:
        return None
    count = 1 if dim is None else shape[dim]
    numbers = torch.arange(1, count + 1, dtype=torch.float64, device=node._input_metadata[0].device)
    return Channels(numbers.view([count if d == dim else 1 for d in range(len(shape))]), count, ((node, count),))


def _are_equal(a: Channels, b: Channels, shape: tuple[int, ...]) -> bool:
    """Return whether entries of a shape have the same channels."""
    if a.count != b.count:
        return False
    if a.numbers.shape == b.numbers.shape:
        return torch.equal(a.numbers, b.numbers)
    return torch.equal(a.numbers.expand(shape), b.numbers.expand(shape))


def _slot_and_factor(node: Node, graph: Graph) -> tuple[int, Tensor] | None:
    """Return the slot that a node scales and what it multiplies by, with as many dimensions; None if it doesn't."""
    op, slots, shape = graph.operations[node], graph.carried[node], shape_of((node, 0))
    if is_fixed(node, graph):
        return 0, by_channel(scales(node, graph.once(Roles).values.kept), len(shape))

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
    # What belongs to a row must not depend on the size of the batch: (1, C, 1, 1) may be the gate of a batch of one.
    if factor.ndim == len(shape):
        is_of_row = edges[other][0] is not None and not is_of_no_row(edges[other], graph)
        if is_of_row or not (edges[other][0] is not None or keeps_no_row(node, name)):
            return None
    factor = factor.view([1] * (len(shape) - factor.ndim) + list(factor.shape))
    return slot, 1 / factor if op.base == "Div" else factor


def _of_channels(factor: Tensor, channels: Channels, shape: tuple[int, ...]) -> Tensor | None:
    """Return the scale of each channel; None if entries of a channel are scaled differently."""
    if factor.numel() == 1:
        return factor.flatten().expand(channels.count)
    if factor.shape == channels.numbers.shape and factor.numel() == channels.count:
        order = channels.numbers.flatten().long() - 1
        if bool((order >= 0).all()) and len(order.unique()) == len(order):
            return torch.empty_like(factor.flatten()).index_copy(0, order, factor.flatten())

    # Which number of the factor each entry is multiplied by: never compare the numbers themselves.
    places = torch.arange(factor.numel(), device=factor.device).view(factor.shape).expand(shape).flatten()
    numbers = channels.numbers.expand(shape).flatten().long()
    place = torch.full((channels.count + 1,), -1, device=factor.device).index_copy(0, numbers, places)
    if not bool(((place[numbers] == places) | (numbers == 0)).all()):
        return None
    return torch.where(place[1:] < 0, 1.0, factor.flatten()[place[1:]])
