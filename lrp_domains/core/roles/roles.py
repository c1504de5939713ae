"""The role of each value, whatever its name: signal, activation, gate, probability or scale.

A value's *origin* is the tensor u of which it is an elementwise function F(u): a layer's result, a sum, an input;
views don't change the origin. The value F(0) determines its *form*, however F was written: ``c u`` is linear,
``tanh(u)`` and ``u sigmoid(u)`` are 0 there, ``sigmoid(u)`` and ``1 / (1 + exp(-u))`` are not. The *rank* follows from
the form: scale < probability < gate < activated < signal. A value computed by sums, selections, poolings or constant
matrices has the highest rank of its inputs; a layer's result is a signal.

In a product the highest rank takes all (Arras et al. 2017), and equal ranks share. Neither the other uses of a value
nor the size of a batch matter. But an operation over a single value is elementwise, a matrix product with parameters is
a layer, and one with a constant matrix isn't (weights.py).
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from functools import cached_property

import torch

from ..graph.elementwise import bounds, degree_of, is_zero_at_zero, keeps_near_zero, order_of
from ..graph.graph import Edge, Graph, Node, dtype_of
from ..graph.operations import COPIES, VALUE, VIEWS, Operation
from ..graph.saved import dimension, is_training, read
from ..graph.weights import layers
from .common_origin import CONTRACTIONS, of_one_origin
from .factors import factors_of
from .forms import SUMS, Form, Rank, Value, combined, rank_of
from .origins import Origins, View
from .packs import FOLDS, pack_of
from .pieces import pieces
from .softmaxes import Softmaxes, softmaxes
from .values import Values

CLAMPS = frozenset("Clamp ClampMin ClampMax Hardtanh Relu Maximum Minimum Fmax Fmin".split())
_SAME = COPIES | {"Neg", "Scale"}
_OPAQUE = frozenset(("embedding", "glu", "unknown", "refused"))
_ENDING = _OPAQUE | {"product"}
# Operations over several values, which are elementwise over a single one.
_OF_ONE = frozenset("Sum Mean LinalgVectorNorm Norm Sign Sgn Round Floor Ceil Trunc".split())


class Roles:
    """The values of a graph, each determined on first use."""

    def __init__(self, graph: Graph) -> None:
        self.graph = weakref.proxy(graph)  # the graph keeps its roles: avoid a reference cycle
        self._edges, self._operations, self._carried = graph.edges, graph.operations, graph.carried  # proxies are slow
        self._sources, self._reaching = graph.sources, graph.reaching
        self.origins = Origins(self.graph)
        self.values = Values(self.graph, weakref.proxy(self))
        self.hard: set[Node] = set()
        self.before: dict[object, Value] = {}  # for sums with a constant: the value that it was added to
        self._of: dict[Node, Value] = {}
        self._together: dict[Node, list[Value]] = {}
        self._half_clamped: set[object] = set()
        self._packs: dict[object, tuple[object, int]] = {}  # for softmaxes along a pack: what carries in it

    @cached_property
    def _softmaxes(self) -> Softmaxes:
        return self.graph.once(softmaxes)

    @cached_property
    def _pieces(self) -> dict[Edge, Edge]:
        return self.graph.once(pieces)

    @cached_property
    def _layers(self) -> set[Node]:
        return self.graph.once(layers)

    def of(self, edge: Edge) -> Value:
        """Return the value at an edge."""
        if self._pieces:
            edge = self._pieces.get(edge, edge)
        if edge in self._sources:
            return Value(edge)
        value = self._of.get(edge[0]) or self._find(edge[0])
        if edge[1] == 0:
            return value
        origin = (value.origin, edge[1])
        if self.graph.operations[edge[0]].kind == "statistic":  # the mean that var_mean also returns
            return Value(origin, self.rank(self.graph.edges[edge[0]][0]))
        return value._replace(origin=origin)

    def _find(self, node: Node) -> Value:
        """Find a value after those that it is computed from: without recursion, as graphs are deep."""
        values, sources, reaching, pending = self._of, self._sources, self._reaching, [node]
        while pending:
            last = pending[-1]
            if last in values:
                pending.pop()
                continue

            op = self._operations[last]
            if op.kind in _ENDING and self._is_opaque(last, op):
                # The squared difference of each entry is the one loss that models also use as an operation.
                values[last] = Value((last, 0), degree=2.0 if op.base == "MseLoss" else 1.0)
                continue

            edges = (op.base == "Prod" and factors_of(last, self.graph)) or self._edges[last]
            found = len(pending)
            for edge in edges:
                if edge[0] in reaching and edge[0] not in values and edge not in sources:
                    pending.append(edge[0])
            if len(pending) == found:
                values[last] = self._value(last, op)
        return values[node]

    def _is_opaque(self, node: Node, op: Operation) -> bool:
        """Return whether a node's result is an origin, whatever it is computed from."""
        if op.kind == "product":
            return node in self._layers
        return op.kind in _OPAQUE and not (op.base in FOLDS and pack_of(node, self.graph))

    def together(self, node: Node) -> list[Value]:
        """Return the values that a node combines if they are functions of one origin, else an empty list."""
        if node not in self._together:
            self._together[node] = of_one_origin(node, self)
        return self._together[node]

    def _value(self, node: Node, op: Operation) -> Value:
        """Return the value that a node computes from values that are known, unless it is opaque."""
        slots, edges = self._carried[node], self._edges[node]
        if op.base in _SAME:
            return self.of(edges[slots[0]])
        if op.base in VIEWS:
            return self._view(node, op, self.of(edges[slots[0]]))
        written_out = self._softmaxes
        is_part = node in written_out.parts and not written_out.masses[node].is_weighted
        if is_part or node in written_out.members:
            return Value((node, 0), Rank.PROBABILITY)
        if (op.kind in ("softmax", "piecewise") or op.base in FOLDS) and (pack := pack_of(node, self.graph)):
            return self._of_pack(node, op, pack)

        # Elementwise functions of one origin, or else a new origin.
        if (len(slots) > 1 or op.base == "Prod") and (parts := self.together(node)):
            value = combined(op.base, parts)
            return Value((node, 0), rank_of(value)) if op.base in CONTRACTIONS else value
        value = self._of_one(node, op, slots[0], self.of(edges[slots[0]])) if len(slots) == 1 else None
        return self._origin(node, op, slots) if value is None else value

    def _view(self, node: Node, op: Operation, x: Value) -> Value:
        """Return a view of a value; a part of a softmax along a pack has the origin of what carries in the pack."""
        if op.base == "Select" and x.origin in self._packs:
            origin, dim = self._packs[x.origin]
            if dimension(read(node, "dim"), len(self.origins.shape(self.graph.edges[node][0]))) == dim:
                return x._replace(origin=origin)
        return Value(View(node, x.origin), x.rank, x.form, x.degree)

    def _of_pack(self, node: Node, op: Operation, pack: tuple[Edge, int, int]) -> Value:
        """Return the value of an operation along a stack in which one tensor carries: a function of that tensor."""
        x = self.of(pack[0])
        if op.kind == "softmax":
            origin = ("packed", node)
            self._packs[origin] = x.origin, pack[2]
            return Value(origin, x.rank, Form.NONZERO)
        return x._replace(form=Form.ZERO if op.kind == "piecewise" and x.is_pure else Form.NONZERO, degree=1.0)

    def _of_one(self, node: Node, op: Operation, slot: int, x: Value) -> Value | None:
        """Return the value that an operation computes from x and constants; None if it isn't elementwise."""
        if op.base == "Where":  # with a constant, as in a ReLU written out
            return x._replace(form=Form.ZERO, degree=1.0) if x.is_pure else x
        if op.base == "Mul" or (op.base == "Div" and slot == 0):
            return x
        if op.base in SUMS or op.base == "Addcmul" or (op.kind == "batch_norm" and not is_training(node)):
            return self._shifted(node, x)
        if op.base == "Abs" and _is_complex(self.graph.edges[node][0], self.graph):
            return Value((node, 0), min(Rank.ACTIVATED, x.rank), degree=0.5)
        if op.function is not None:
            return self._applied(node, op, slot, x)

        if op.base not in _OF_ONE or not self.origins.keeps_size(node):
            return None
        if op.kind == "step":
            return x._replace(form=Form.ZERO if op.base in ("Sign", "Sgn") else Form.NONZERO)
        if op.kind == "linear":
            return Value(View(node, x.origin), x.rank, x.form, x.degree)
        return self._powered(self._powered(x, 2.0), 0.5)

    def _applied(self, node: Node, op: Operation, slot: int, x: Value) -> Value:
        """Return an elementwise function of a value."""
        degree = degree_of(node)
        if degree is not None and (x.form == Form.POWER or x.is_pure):
            return self._powered(x, degree)
        if x.form == Form.SHIFTED:
            return x._replace(form=Form.UNSEEN)
        if not x.is_pure:
            return x

        is_hard = self._is_hard(node, op, x)
        if keeps_near_zero(node) and not is_hard:
            return x
        if is_hard and x.is_linear:
            self.hard.add(node)
        is_gate = is_hard or not is_zero_at_zero(node, slot)
        return x._replace(form=Form.NONZERO if is_gate else Form.ZERO, degree=1.0)

    def _is_hard(self, node: Node, op: Operation, x: Value) -> bool:
        """Return whether a function is a hard sigmoid: a clamp from both sides of ``u + 3``, whose 3 isn't kept."""
        if op.base not in CLAMPS or not self.is_unseen_sum(x.origin):
            return False
        if op.base in ("Clamp", "Hardtanh") and None not in bounds(node):
            return True
        if x.is_linear:  # from one side; the other side may follow
            self._half_clamped.add(x.origin)
        return not x.is_linear and x.origin in self._half_clamped

    def _powered(self, x: Value, degree: float) -> Value:
        """Return a value to a power."""
        if x.form == Form.ZERO and degree < 0:
            return Value(("inverse", self.origins.canonical(x.origin)), Rank.SCALE)
        if x.form != Form.POWER:
            return x
        total = x.degree * degree

        # The root of an even power has lost the sign: it is a power of |u|.
        if x.degree % 2 == 0 and total % 2 != 0 and total > 0:
            return x._replace(form=Form.ZERO, degree=1.0)
        return x._replace(degree=total)

    def _shifted(self, node: Node, x: Value) -> Value:
        """Return the sum of a value and a constant. Added to ``c u`` it may be a bias, so the sum is an origin."""
        if x.is_linear:
            self.before[node, 0] = x
            return Value((node, 0), x.rank)
        if x.form == Form.POWER and rank_of(x) == Rank.SCALE:
            return Value((node, 0), Rank.SCALE)
        return x if x.form == Form.SHIFTED else x._replace(form=Form.UNSEEN)

    def _origin(self, node: Node, op: Operation, slots: list[int]) -> Value:
        """Return a value that is not an elementwise function of one origin."""
        edges = self.graph.edges[node]
        if op.kind == "softmax":
            return Value((node, 0), Rank.PROBABILITY)

        if op.kind == "attention":  # a softmax times values
            if VALUE in slots:
                return Value((node, 0), self.rank(edges[VALUE]))
            return Value((node, 0), Rank.PROBABILITY if edges[VALUE][0] is None else Rank.SIGNAL)

        if op.kind == "statistic" or op.base == "Hypot":  # a sum of squares, which ranks as an activation, or its root
            rank = min(Rank.ACTIVATED, *(self.rank(edges[slot]) for slot in slots))
            if op.base in ("LinalgVectorNorm", "Norm") and order_of(node) in (1, torch.inf):
                return Value((node, 0), rank)  # the sum or the maximum of absolute values is not a root
            return Value((node, 0), rank, degree=0.5 if op.base == "Hypot" else degree_of(node) / 2)

        if op.base == "Prod" and (factors := factors_of(node, self.graph)):
            return Value((node, 0), self.rank_of_factors([(edge, False) for edge in factors]))
        if op.kind in ("norm", "batch_norm", "scaling"):
            slots = [slot for slot in slots if slot not in op.factors] or slots
        return Value((node, 0), max(self.rank(edges[slot], inverse=op.base == "Div" and slot == 1) for slot in slots))

    def origin(self, edge: Edge) -> object:
        """Return the origin of a value as a key: equal views of one tensor have equal keys."""
        return self.origins.canonical(self.of(edge).origin)

    def rank(self, edge: Edge, inverse: bool = False) -> Rank:
        """Return the rank of a value, or of 1 over it."""
        value = self.seen(edge)
        return rank_of(self._powered(value, -1.0) if inverse else value)

    def seen(self, edge: Edge) -> Value:
        """Return a value; an unseen form is determined by computing the value where the origin is 0."""
        value = self.of(edge)
        if value.form != Form.UNSEEN:
            return value
        return value._replace(form=Form.ZERO if self.values.is_zero(edge) else Form.NONZERO)

    def rank_of_product(self, factors: list[tuple[Edge, bool]]) -> Rank:
        """Return the rank of a product of functions of one origin, some of them denominators."""
        if len(factors) == 1:
            return self.rank(*factors[0])

        values = [self._powered(self.seen(edge), -1.0) if inverse else self.seen(edge) for edge, inverse in factors]
        rank = max(value.rank for value in values)
        if all(value.form == Form.POWER for value in values) and (total := sum(value.degree for value in values)):
            return rank_of(values[0]._replace(rank=rank, degree=total))
        return min(rank, Rank.ACTIVATED if any(value.is_pure for value in values) else Rank.GATE)

    def rank_of_factors(self, factors: list[tuple[Edge, bool]]) -> Rank:
        """Return the highest rank among factors, where functions of one origin are one factor."""
        groups: dict[object, list[tuple[Edge, bool]]] = defaultdict(list)
        for edge, inverse in factors:
            if self.graph.leads_to_source(edge):
                groups[self.origin(edge)].append((edge, inverse))
        return max(map(self.rank_of_product, groups.values()))

    def is_unseen_sum(self, origin: object) -> bool:
        """Return whether an origin is a sum with a constant that autograd doesn't keep."""
        return origin in self.before and all(
            edge[0] is None or self.graph.leads_to_source(edge) for edge in self.graph.edges[origin[0]]
        )


def _is_complex(edge: Edge, graph: Graph) -> bool:
    source = graph.sources.get(edge)
    return source.is_complex() if source is not None else dtype_of(edge).is_complex
