"""Neurons: the values ``z = sum of x_i w_i + biases`` whose relevance a layer rule shares, however they were written.

A layer is one product of the graph (weights.py). Its neurons may be sums of several layers, with biases added
separately, negated, cut, repeated, concatenated. From the result of each layer its users are followed, edge by edge, as
long as all of them rearrange and add (steps.py) what layers compute. The neurons are at the tops: the edges where that
ends, after the last sum.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch

from ..graph.graph import Edge, Graph, Node, Slots, shape_of
from ..graph.weights import adds_bias
from .channel_scales import ChannelScale, ChannelScales
from .steps import JOINING, adds_layers, adds_up, is_of_all, is_step, joined, number, push

Parts = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Sums:
    """How the results of layers are added up.

    Attributes
    ----------
    layers
        The layers of the graph.
    steps
        The nodes between them and their neurons, and the layers that add the result of another layer, with the slots
        at which they take the sums.
    inside
        The edges whose values enter a later sum, with the number that each is multiplied by on the way there.
    tops
        The other edges of layers and steps: the neurons.
    numbers, shapes
        What the steps multiply by, and the shapes of their inputs, by node and slot.
    factors, channels
        What steps multiply each channel by, by node and slot; and for the edges of layers, what all steps together
        multiply their channels by.
    flow, users
        The slots that relevance flows to, by node; and for each edge, the nodes and slots that it flows from.
    """

    graph: Graph
    layers: frozenset[Node]
    steps: dict[Node, tuple[int, ...]]
    inside: dict[Edge, float]
    tops: tuple[Edge, ...]
    numbers: dict[Edge, float]
    shapes: dict[Edge, torch.Size]
    factors: dict[Edge, torch.Tensor]
    channels: dict[Edge, torch.Tensor]
    flow: dict[Node, Slots]
    users: dict[Edge, list[Edge]]

    def total(self, edge: Edge, known: dict[Edge, Parts], of_node: Callable[[Node], Parts], scaled: bool) -> Parts:
        """Return the sum of what the nodes up to an edge contribute; empty if no node contributes anything.

        ``of_node`` returns the contribution of one node, ``known`` holds the sums at edges that are done, and
        ``scaled`` is whether to multiply by the numbers on the way.
        """
        pending = [edge]
        while pending:
            node = pending[-1][0]
            slots = () if pending[-1] in known else self.steps.get(node, ())
            if missing := [behind for slot in slots if (behind := self.graph.edges[node][slot]) not in known]:
                pending += missing
                continue
            if pending.pop() in known:
                continue

            totals: list[Parts] = [() for _ in node._input_metadata]
            totals[0] = tuple(x.expand(shape_of((node, 0))) for x in of_node(node))
            for parts in self._brought(node, slots, known, scaled):
                for output, part in enumerate(parts):
                    totals[output] = tuple(map(torch.add, totals[output], part)) if totals[output] else part
            known |= {(node, output): parts for output, parts in enumerate(totals)}
        return known[edge]

    def _brought(
        self, node: Node, slots: tuple[int, ...], known: dict[Edge, Parts], scaled: bool
    ) -> Iterator[list[Parts]]:
        """Yield the inputs of a step as they arrive at its outputs: slot by slot, or all at once if it joins them."""
        inputs = {slot: parts for slot in slots if (parts := known[self.graph.edges[node][slot]])}
        if scaled:
            by = {slot: self.factors.get((node, slot), self.numbers[node, slot]) for slot in inputs}
            inputs = {slot: tuple(by[slot] * x for x in parts) for slot, parts in inputs.items()}

        if inputs and self.graph.operations[node].base in JOINING:
            count = len(next(iter(inputs.values())))
            parts = ({slot: parts[index] for slot, parts in inputs.items()} for index in range(count))
            yield [tuple(joined(node, part, self.graph) for part in parts)]
            return
        for slot, parts in inputs.items():
            yield list(zip(*(push(node, slot, x, self.graph) for x in parts), strict=True))


def add_up(
    graph: Graph,
    flow: dict[Node, Slots],
    layers: Collection[Node],
    plain: Collection[Node],
    apart: set[Edge],
    joint: bool,
) -> Sums:
    """Find the sums of layers among the nodes that relevance flows through.

    Only plain nodes, whose rule is the derivative, can be steps; the edges in ``apart`` enter no sum. Unless ``joint``,
    nor do the results of several layers.
    """
    users: dict[Edge, list[Edge]] = defaultdict(list)
    is_open: dict[Node, tuple[int, ...]] = {}
    for node, slots in flow.items():
        is_open[node] = tuple(slot for slot, carries in enumerate(slots) if carries)
        for slot in is_open[node]:
            users[graph.edges[node][slot]].append((node, slot))
    channel_scales = ChannelScales(graph, layers, users)
    scales = channel_scales.find(plain)

    entered: dict[Node, tuple[int, ...]] = {}
    for node, slots in is_open.items():
        if node in layers:
            slots = tuple(slot for slot in slots if slot == adds_bias(node, graph.operations[node]))
        if not slots or (not joint and adds_layers(node, slots, graph, layers)):
            continue
        if node in layers or node in scales or (node in plain and is_step(node, graph, layers)):
            entered[node] = slots

    numbers = {
        (node, slot): 1.0 if node in scales else number(node, slot, graph)
        for node, slots in entered.items()
        for slot in slots
    }
    metadata = {node: node._input_metadata for node in {edge[0] for edge in users}}  # torch builds it on each access
    shapes = {at: metadata[edge[0]][edge[1]].shape for edge, ats in users.items() for at in ats}

    # An edge that reaches several tops with different numbers would need several weights: it becomes a top.
    apart = apart | graph.sources.keys()
    while True:
        steps = _steps(graph, layers, entered, users, apart)
        adding = _adding(graph, layers, scales, steps)
        _leave_out_what_adds_nothing(graph, adding, steps, users)
        inside, unlike = _inside(graph, steps, users, numbers)
        unlike |= _read_elsewhere_too(graph, adding, steps, users)
        if not unlike:
            edges = ((node, output) for node in {**steps, **dict.fromkeys(layers)} for output in _outputs(node, users))
            tops = tuple(edge for edge in edges if edge not in inside)
            factors = {(node, scale.slot): scale.factor for node, scale in scales.items() if node in steps}
            channels = channel_scales.of_layers(steps)
            return Sums(graph, frozenset(layers), steps, inside, tops, numbers, shapes, factors, channels, flow, users)
        apart |= unlike


def _outputs(node: Node, users: dict[Edge, list[Edge]]) -> list[int]:
    """Return the outputs of a node that are used; all of them for the last node."""
    outputs = range(len(node._input_metadata))
    return [output for output in outputs if users.get((node, output))] or list(outputs)


def _steps(
    graph: Graph,
    layers: Collection[Node],
    entered: dict[Node, tuple[int, ...]],
    users: dict[Edge, list[Edge]],
    apart: set[Edge],
) -> dict[Node, tuple[int, ...]]:
    """Return the nodes that take in only results of layers and steps, all of whose users are such nodes."""
    steps = dict(entered)

    def goes_on(edge: Edge) -> bool:
        of_layers = edge[0] in steps or (edge[0] in layers and edge[0] not in entered)
        return of_layers and edge not in apart and all(slot in steps.get(user, ()) for user, slot in users[edge])

    pending = deque(reversed(entered))  # inputs first
    while pending:
        node = pending.popleft()
        if node not in steps or all(goes_on(graph.edges[node][slot]) for slot in steps[node]):
            continue
        del steps[node]

        # Check the neighbours of a dropped node again.
        behind = [graph.edges[node][slot] for slot in entered[node]]
        outputs = [(node, output) for output in range(len(node._input_metadata))]
        pending += [user for edge in (*behind, *outputs) for user, _ in users.get(edge, ())]
    return steps


def _adding(
    graph: Graph, layers: Collection[Node], scales: dict[Node, ChannelScale], steps: dict[Node, tuple[int, ...]]
) -> set[Node]:
    """Return the steps that lead to a sum, or to a scale of channels."""
    per_channel = {node for node, scale in scales.items() if scale.factor.numel() > 1}
    adding: set[Node] = set()
    pending = [node for node in steps if node in layers or node in per_channel or adds_up(node, graph)]
    while pending:
        node = pending.pop()
        if node in steps and node not in adding:
            adding.add(node)
            pending += [graph.edges[node][slot][0] for slot in steps[node]]
    return adding


def _leave_out_what_adds_nothing(
    graph: Graph, adding: set[Node], steps: dict[Node, tuple[int, ...]], users: dict[Edge, list[Edge]]
) -> None:
    """Drop the steps after the last sum that rearrange or multiply by a number: they don't belong to a neuron."""
    needed: set[Node] = set()
    pending = list(adding)
    while pending:
        node = pending.pop()
        if node in needed or node not in steps:
            continue
        needed.add(node)
        for edge in (graph.edges[node][slot] for slot in steps[node]):
            pending += [edge[0], *(user for user, _ in users[edge])]
    for node in steps.keys() - needed:
        del steps[node]


def _read_elsewhere_too(
    graph: Graph, adding: set[Node], steps: dict[Node, tuple[int, ...]], users: dict[Edge, list[Edge]]
) -> set[Edge]:
    """Return the edges that enter a sum, but whose whole value goes elsewhere too, if only rearranged."""
    return {
        edge
        for node in adding & steps.keys()
        for edge in (graph.edges[node][slot] for slot in steps[node])
        if any(user not in adding and is_of_all(user, graph) for user, _ in users[edge])
    }


def _inside(
    graph: Graph, steps: dict[Node, tuple[int, ...]], users: dict[Edge, list[Edge]], numbers: dict[Edge, float]
) -> tuple[dict[Edge, float], set[Edge]]:
    """Return the edges that enter sums, with their numbers, and those whose numbers differ among their tops."""
    products: dict[Edge, set[float]] = defaultdict(set)
    for node, slots in steps.items():  # outputs first
        after = {n for output in _outputs(node, users) for n in products.get((node, output), (1.0,))}
        for slot in slots:
            products[graph.edges[node][slot]] |= {numbers[node, slot] * n for n in after}
    unlike = {edge for edge, values in products.items() if max(values) - min(values) > 1e-12 * max(map(abs, values))}
    return {edge: next(iter(values)) for edge, values in products.items()}, unlike
