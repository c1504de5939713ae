"""Neurons: what a layer rule shares the relevance of, ``z = sum of x_i w_i + biases``, however the sum was written.

A layer is one product of the graph (weights.py). Its neurons may be sums of several layers, with biases added apart,
negated, cut, repeated, concatenated. From each layer's result its users are followed, edge by edge, as long as all of
them rearrange and add (steps.py) what layers make. Where that ends, and a sum came before, are the tops: there the
neurons are.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch

from ..graph.graph import Edge, Graph, Node, Slots, shape_of
from ..graph.weights import adds_bias
from .steps import JOINING, adds_up, is_step, joined, number, push

Parts = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Sums:
    """How the results of layers are added up.

    Attributes
    ----------
    layers
        The layers of the graph.
    steps
        The nodes between them and their neurons, and the layers that add another's result; with the slots by which the
        sums come in.
    inside
        The edges whose values go on into a sum, with the number that each is multiplied by on the way.
    tops
        The other edges of layers and steps: where the neurons are.
    numbers, shapes
        What the steps multiply by, and the shape of what they are given, by node and slot.
    flow, users
        The slots that relevance flows to, by node, and for each edge the nodes and slots that it flows from.
    """

    graph: Graph
    layers: frozenset[Node]
    steps: dict[Node, tuple[int, ...]]
    inside: dict[Edge, float]
    tops: tuple[Edge, ...]
    numbers: dict[Edge, float]
    shapes: dict[Edge, torch.Size]
    flow: dict[Node, Slots]
    users: dict[Edge, list[Edge]]

    def total(self, edge: Edge, known: dict[Edge, Parts], own: Callable[[Node], Parts], scaled: bool) -> Parts:
        """Return what nodes make by themselves, added up to an edge; none where none of them makes anything.

        ``known`` are the edges where that was done already. ``scaled`` says whether the numbers on the way count.
        """
        pending = [edge]
        while pending:
            node = pending[-1][0]
            slots = () if pending[-1] in known else self.steps.get(node, ())
            if missing := [e for slot in slots if (e := self.graph.edges[node][slot]) not in known]:
                pending += missing
                continue
            if pending.pop() in known:
                continue
            found: list[Parts] = [() for _ in node._input_metadata]
            found[0] = tuple(x.expand(shape_of((node, 0))) for x in own(node))
            for parts in self._brought(node, slots, known, scaled):
                for output, part in enumerate(parts):
                    found[output] = tuple(map(torch.add, found[output], part)) if found[output] else part
            known |= {(node, output): parts for output, parts in enumerate(found)}
        return known[edge]

    def _brought(
        self, node: Node, slots: tuple[int, ...], known: dict[Edge, Parts], scaled: bool
    ) -> Iterator[list[Parts]]:
        """What stands at each output of a step of what it is given: slot by slot, or all at once where it joins."""
        given = {slot: parts for slot in slots if (parts := known[self.graph.edges[node][slot]])}
        if scaled:
            given = {slot: tuple(self.numbers[node, slot] * x for x in parts) for slot, parts in given.items()}
        if given and self.graph.operations[node].base in JOINING:
            count = len(next(iter(given.values())))
            parts = ({slot: parts[index] for slot, parts in given.items()} for index in range(count))
            yield [tuple(joined(node, part, self.graph) for part in parts)]
            return
        for slot, parts in given.items():
            yield list(zip(*(push(node, slot, x, self.graph) for x in parts), strict=True))


def add_up(
    graph: Graph, flow: dict[Node, Slots], layers: Collection[Node], plain: Collection[Node], apart: set[Edge]
) -> Sums:
    """Find the sums of layers among the nodes that relevance flows through.

    Only plain nodes, which have their derivative for a rule, can be steps; edges that stand apart go into no sum.
    """
    users: dict[Edge, list[Edge]] = defaultdict(list)
    entered: dict[Node, tuple[int, ...]] = {}
    for node, slots in flow.items():
        is_open = tuple(slot for slot, carries in enumerate(slots) if carries)
        for slot in is_open:
            users[graph.edges[node][slot]].append((node, slot))
        if node in layers:
            is_open = tuple(slot for slot in is_open if slot == adds_bias(node, graph.operations[node]))
        if is_open and (node in layers or (node in plain and is_step(node, graph, layers))):
            entered[node] = is_open
    numbers = {(node, slot): number(node, slot, graph) for node, slots in entered.items() for slot in slots}
    made_by = {node: node._input_metadata for node in {edge[0] for edge in users}}  # it is made at each look
    shapes = {at: made_by[edge[0]][edge[1]].shape for edge, ats in users.items() for at in ats}
    apart = apart | graph.sources.keys()
    while True:
        steps = _steps(graph, layers, entered, users, apart)
        _leave_out_what_adds_nothing(graph, layers, steps, users)
        inside, unlike = _inside(graph, steps, users, numbers)
        if not unlike:
            made = ((node, output) for node in {**steps, **dict.fromkeys(layers)} for output in _outputs(node, users))
            tops = tuple(edge for edge in made if edge not in inside)
            return Sums(graph, frozenset(layers), steps, inside, tops, numbers, shapes, flow, users)
        apart |= unlike


def _outputs(node: Node, users: dict[Edge, list[Edge]]) -> list[int]:
    """The outputs of a node that are used; all, if it is the last."""
    outputs = range(len(node._input_metadata))
    return [output for output in outputs if users.get((node, output))] or list(outputs)


def _steps(
    graph: Graph,
    layers: Collection[Node],
    entered: dict[Node, tuple[int, ...]],
    users: dict[Edge, list[Edge]],
    apart: set[Edge],
) -> dict[Node, tuple[int, ...]]:
    """The nodes that take in nothing but what layers make, each of which goes on to such nodes alone."""
    steps = dict(entered)

    def goes_on(edge: Edge) -> bool:
        made = edge[0] in steps or (edge[0] in layers and edge[0] not in entered)
        return made and edge not in apart and all(slot in steps.get(user, ()) for user, slot in users[edge])

    pending = deque(reversed(entered))  # inputs first
    while pending:
        node = pending.popleft()
        if node not in steps or all(goes_on(graph.edges[node][slot]) for slot in steps[node]):
            continue
        del steps[node]
        behind = [graph.edges[node][slot] for slot in entered[node]]
        made = [(node, output) for output in range(len(node._input_metadata))]
        pending += [user for edge in (*behind, *made) for user, _ in users.get(edge, ())]
    return steps


def _leave_out_what_adds_nothing(
    graph: Graph, layers: Collection[Node], steps: dict[Node, tuple[int, ...]], users: dict[Edge, list[Edge]]
) -> None:
    """Drop the steps behind the last sum, which only rearrange or scale: they are no part of a neuron."""
    needed: set[Node] = set()
    pending = [node for node in steps if node in layers or adds_up(node, graph)]
    while pending:
        node = pending.pop()
        if node in needed or node not in steps:
            continue
        needed.add(node)
        for edge in (graph.edges[node][slot] for slot in steps[node]):
            pending += [edge[0], *(user for user, _ in users[edge])]
    for node in steps.keys() - needed:
        del steps[node]


def _inside(
    graph: Graph, steps: dict[Node, tuple[int, ...]], users: dict[Edge, list[Edge]], numbers: dict[Edge, float]
) -> tuple[dict[Edge, float], set[Edge]]:
    """The edges that go into sums, with their numbers, and those that lead to several tops with unlike ones."""
    found: dict[Edge, set[float]] = defaultdict(set)
    for node, slots in steps.items():  # outputs first
        after = {n for output in _outputs(node, users) for n in found.get((node, output), (1.0,))}
        for slot in slots:
            found[graph.edges[node][slot]] |= {numbers[node, slot] * n for n in after}
    unlike = {edge for edge, of_ways in found.items() if max(of_ways) - min(of_ways) > 1e-12 * max(map(abs, of_ways))}
    return {edge: next(iter(of_ways)) for edge, of_ways in found.items()}, unlike
