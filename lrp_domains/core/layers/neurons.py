"""Neurons: what a layer rule shares the relevance of, ``z = sum of x_i w_i + biases``, however the sum was written.

A layer is one product of the graph (weights.py). Its neurons may be sums of several layers, with biases added apart,
negated, concatenated: views, signs and sums are followed from the product up to where the sum ends. What is known there
is brought back to the coordinates of the product, where the rule acts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import torch

from ..errors import RelevanceError
from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.operations import COPIES, RESHAPES
from ..graph.saved import dimension, read
from ..graph.weights import adds_bias
from ..roles.roles import Roles
from ..roles.values import pulled, pushed
from .linear_maps import Layer, is_kept, layer_at, own_bias

Tensor = torch.Tensor
# What a layer's result may pass on the way to the end of the sum: each of its values goes to one place.
_REARRANGING = (
    COPIES | RESHAPES | frozenset("T Transpose Permute Slice Select Flip Roll Rot90 Neg Scale Cat Stack".split())
)
_SUMS = frozenset(("Add", "Sub", "Rsub"))
_SCALING = frozenset(("Mul", "Div", "Scale"))


@dataclass
class Neuron:
    """The sum that some layers end in.

    Attributes
    ----------
    top
        The node where it ends.
    layers
        The layers, each with the way from its result to the top: nodes, with the slots they are entered by.
    constants
        Where something constant is added, each with the way from there.
    """

    graph: Graph
    top: Node
    layers: dict[Node, tuple[Edge, ...]]
    constants: dict[Edge, tuple[Edge, ...]]
    _known: dict = field(default_factory=dict, repr=False)
    _seen: tuple[Tensor | None, list[Tensor]] = field(default=(None, []), repr=False)

    def layer(self, node: Node) -> Layer:
        """Return a layer, with its sign and scale in the sum as a part of its weights."""
        if ("layer", node) not in self._known:
            layer = layer_at(node, self.graph)
            self._known["layer", node] = layer.scaled(self.scale(self.layers[node]))
        return self._known["layer", node]

    def scale(self, way: tuple[Edge, ...]) -> float:
        """Return the number that a value is multiplied by on its way."""
        if way not in self._known:
            number = 1.0
            for node, slot in way:
                number *= _number(node, slot, self.graph)
            self._known[way] = number
        return self._known[way]

    def _up(self, t: Tensor, way: tuple[Edge, ...]) -> Tensor:
        """Return what stands at the beginning of a way, in the coordinates of the top."""
        for node, slot in self._moves(way):
            t = pushed((node, 0), slot, t) / _number(node, slot, self.graph)
        return t

    def at(self, t: Tensor, way: tuple[Edge, ...]) -> Tensor:
        """Return what stands at the top, in the coordinates of the beginning of a way."""
        for node, slot in reversed(self._moves(way)):
            t = pulled((node, 0), slot, t, self.graph) / _number(node, slot, self.graph)
        return t

    def _moves(self, way: tuple[Edge, ...]) -> tuple[Edge, ...]:
        """The steps of a way that put values in other places, rather than scale them or add to them."""
        if ("moves", way) not in self._known:
            graph = self.graph
            self._known["moves", way] = tuple(
                (node, slot)
                for node, slot in way
                if graph.operations[node].base not in _SCALING | _SUMS | {"Neg"}
                or (graph.operations[node].base in _SUMS and shape_of(graph.edges[node][slot]) != shape_of((node, 0)))
            )
        return self._known["moves", way]

    def total(self, rule) -> tuple[Tensor, ...]:
        """Return what the layers add up to at the top, for each of the parts that a rule asks for."""
        if rule not in self._known:
            sums = None
            for node, way in self.layers.items():
                parts = rule.parts(self.layer(node))
                parts = [self._up(part.expand(shape_of((node, 0))), way) for part in parts]
                sums = parts if sums is None else [a + b for a, b in zip(sums, parts, strict=True)]
            self._known[rule] = tuple(sums)
        return self._known[rule]

    @property
    def z(self) -> Tensor:
        """The layers' sum and the bias."""
        return self.total(PLAIN)[0] + self.bias

    @property
    def bias(self) -> Tensor:
        """All that is constant in the sum."""
        if "bias" not in self._known:
            z, constants = self._seen
            bias = sum(constants) if z is None else z - self.total(PLAIN)[0]
            self._known["bias"] = bias.expand(shape_of((self.top, 0)))
        return self._known["bias"]

    def look(self) -> None:
        """Read what the graph keeps of the sum, before the pass frees it.

        Raises
        ------
        RelevanceError
            A bias is frozen, or a number, and no later operation kept the sum.
        """
        values = self.graph.once(Roles).values
        constants = [self._constant(edge, way) for edge, way in self.constants.items()]
        z = None
        if any(constant is None for constant in constants) and (z := values.value((self.top, 0))) is None:
            raise RelevanceError(
                "a layer rule needs the layer's bias, which is not in the graph because it is frozen or a number; call "
                "model.requires_grad_(True) before the forward pass (and add layers without Python's sum(), which "
                "starts from the number 0)"
            )
        device = z.device if z is not None else self.top._input_metadata[0].device
        self._seen = z, constants or [torch.zeros((), device=device)]
        for way in (*self.layers.values(), *self.constants.values()):
            self.scale(way)
        for node in self.layers:
            if not is_kept(node, self.graph):
                self.layer(node)

    def _constant(self, edge: Edge, way: tuple[Edge, ...]) -> Tensor | None:
        node, slot = edge
        if node in self.layers:
            value = own_bias(node, self.graph)
            value = None if value is None else value.expand(shape_of((node, 0)))
        else:
            edges = self.graph.edges[node]
            value = self.graph.once(Roles).values.value(edges[slot]) if slot < len(edges) else None
            value = None if value is None else pushed((node, 0), slot, value)
        return None if value is None else self._up(value, way) * self.scale(way)


def _number(node: Node, slot: int, graph: Graph) -> float:
    """What a value at a slot is multiplied by."""
    op = graph.operations[node]
    if op.base == "Neg":
        return -1.0
    if op.base in _SUMS:
        alpha = read(node, "alpha", 1)
        first, second = {"Add": (1, alpha), "Sub": (1, -alpha), "Rsub": (-alpha, 1)}[op.base]
        return float(second if slot else first)
    if graph.operations[node].factors and slot == 0 and op.base not in _SCALING:
        return float(read(node, "beta", 1))  # of a layer that adds another's result
    if op.base in _SCALING:
        other = read(node, "other" if slot == 0 else "self")
        number = other.item() if isinstance(other, Tensor) else float(other)
        return 1 / number if op.base == "Div" else number
    return 1.0


def neurons(graph: Graph, layers: set[Node]) -> dict[Node, Neuron]:
    """Return for each layer the neuron that it is a part of."""
    users: dict[Node, list[Edge]] = defaultdict(list)
    for node in graph.order:
        for slot, (child, _) in enumerate(graph.edges[node]):
            users[child].append((node, slot))
    parts = set(layers)
    for node in graph.order:
        if node in graph.reaching and node not in layers and _adds_up(node, graph, parts, users):
            parts.add(node)
    found: dict[Node, Neuron] = {}
    for layer in (node for node in graph.order if node in layers):
        way, node = [], layer
        while len(users[node]) == 1 and _adds(*users[node][0], graph, parts, layers):
            way.append(users[node][0])
            node = way[-1][0]
        neuron = found.setdefault(node, Neuron(graph, node, {}, {}))
        neuron.layers[layer] = tuple(way)
    by_layer = {layer: neuron for neuron in found.values() for layer in neuron.layers}
    for layer, neuron in by_layer.items():
        _add_constants(neuron, layer, graph)
    for neuron in found.values():
        neuron.look()
    return by_layer


def _adds(node: Node, slot: int, graph: Graph, parts: set[Node], layers: set[Node]) -> bool:
    """Whether a sum goes on at a node: also where a layer adds another's result in the place of its bias."""
    return node in parts and (node not in layers or slot not in graph.operations[node].factors)


def _adds_up(node: Node, graph: Graph, parts: set[Node], users: dict[Node, list[Edge]]) -> bool:
    """Whether a node only rearranges and adds what layers make."""
    base, edges = graph.operations[node].base, graph.edges[node]
    carried = [edges[slot][0] for slot in graph.carried[node]]
    if not all(child in parts and len(users[child]) == 1 for child in carried):
        return False
    if base == "Sum":  # of what was put side by side to be added, or of the products of a layer
        child = carried[0]
        stacked = graph.operations[child].base == "Stack"
        along = [dimension(d, len(shape_of((child, 0)))) for d in (read(node, "dim", None) or ())]
        return graph.operations[child].base == "Mul" or (
            stacked and along == [dimension(read(child, "dim"), len(shape_of((child, 0))))]
        )
    if base in ("Mul", "Div"):  # by a number
        slot = 1 - graph.carried[node][0]
        other = read(node, graph.operations[node].tensors[slot], None)
        return len(carried) == 1 and edges[slot][0] is None and isinstance(other, Tensor) and other.ndim == 0
    return base in _REARRANGING | _SUMS


def _add_constants(neuron: Neuron, layer: Node, graph: Graph) -> None:
    way = neuron.layers[layer]
    op = graph.operations[layer]
    own = adds_bias(layer, op)
    if own is not None and not graph.leads_to_source(graph.edges[layer][own]):
        neuron.constants[layer, own] = way
    for index, (node, _) in enumerate(way):
        if graph.operations[node].base in (*_SUMS, "Stack"):
            count = 2 if graph.operations[node].base in _SUMS else len(graph.edges[node])
            for slot in range(count):
                edges = graph.edges[node]
                if slot >= len(edges) or not graph.leads_to_source(edges[slot]):
                    neuron.constants[node, slot] = way[index + 1 :]


@dataclass(frozen=True)
class _Plain:
    """The rule that asks for what the layers make."""

    def parts(self, layer: Layer) -> tuple[Tensor, ...]:
        return (layer.forward(layer.x, layer.w),)


PLAIN = _Plain()
