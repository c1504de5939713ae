"""What each value is: a signal, an activation, a gate, a probability or a scale. By what it does, not how it is
written.

A value's *origin* is the tensor u that it is an elementwise function F(u) of: a layer's result, a sum, an input; views
are looked through. What F is at u = 0 tells its *form*, however F was written: ``c u`` is linear, ``tanh(u)`` and ``u
sigmoid(u)`` are 0 there, ``sigmoid(u)`` and ``1 / (1 + exp(-u))`` are not. The form gives the *rank*: scale <
probability < gate < activated < signal. What is made of values by sums, selections, poolings or constant matrices ranks
as the highest of them; a layer's result is a signal.

In a product the highest rank takes all (Arras et al. 2017), equal ranks share. Nothing here looks at what else a value
is used for, or at the size of a batch. What does count: an operation over one value is elementwise, a matrix product
with parameters is a layer, and one with a constant matrix is none (weights.py).
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from functools import cached_property

import torch

from ..graph.elementwise import bounds, degree_of, is_zero_at_zero, keeps_near_zero, order_of
from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.operations import COPIES, VALUE, VIEWS, Operation
from ..graph.saved import dimension, is_training, read
from ..graph.weights import layers
from .forms import CHOICES, SUMS, Form, Rank, Value, combined, rank_of
from .origins import Origins, View
from .packs import FOLDS, pack_of
from .pieces import pieces
from .softmaxes import Softmaxes, softmaxes
from .values import Values

CLAMPS = frozenset("Clamp ClampMin ClampMax Hardtanh Relu Maximum Minimum Fmax Fmin".split())
_SAME = COPIES | {"Neg", "Scale"}
_TOGETHER = SUMS | CHOICES | {"Mul", "Addcmul", "Div", "Lerp1"}
_OPAQUE = frozenset(("embedding", "glu", "unknown", "refused"))
_ENDING = _OPAQUE | {"product"}
_CONTRACTIONS = frozenset(("Bmm", "Mm", "Mv", "Dot"))
# Operations over several values, which over one are elementwise.
_OF_ONE = frozenset("Sum Mean LinalgVectorNorm Norm Sign Sgn Round Floor Ceil Trunc".split())


class Roles:
    """The values of a graph, each found when it is asked for."""

    def __init__(self, graph: Graph) -> None:
        self.graph = weakref.proxy(graph)  # the graph keeps its roles
        self.origins = Origins(self.graph)
        self.values = Values(self.graph, weakref.proxy(self))
        self.hard: set[Node] = set()
        self._of: dict[Node, Value] = {}
        self._together: dict[Node, list[Value]] = {}
        self._before: dict[object, Value] = {}  # of sums with a constant: what the constant was added to
        self._half_clamped: set[object] = set()
        self._packs: dict[object, tuple[object, int]] = {}  # of softmaxes along a pack: what carries in it

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
        if self._pieces:
            edge = self._pieces.get(edge, edge)
        if edge in self.graph.sources:
            return Value(edge)
        value = self._of.get(edge[0]) or self._find(edge[0])
        if edge[1] == 0:
            return value
        origin = (value.origin, edge[1])
        if self.graph.operations[edge[0]].kind == "statistic":  # the mean that var_mean returns too
            return Value(origin, self.rank(self.graph.edges[edge[0]][0]))
        return value._replace(origin=origin)

    def _find(self, node: Node) -> Value:
        """Find a value, and before it those it is made of: without recursion, as graphs are deep."""
        graph, found, pending, entered = self.graph, self._of, [node], set()
        while pending:
            last = pending[-1]
            op = graph.operations[last]
            if last not in entered and not (op.kind in _ENDING and self._is_opaque(last, op)):
                entered.add(last)
                for edge in (op.base == "Prod" and self.factors(last)) or graph.edges[last]:
                    if edge[0] in graph.reaching and edge[0] not in found and edge not in graph.sources:
                        pending.append(edge[0])
                if pending[-1] is not last:
                    continue
            pending.pop()
            if last not in found:
                found[last] = self._value(last, op)
        return found[node]

    def _is_opaque(self, node: Node, op: Operation) -> bool:
        if op.kind == "product":
            return node in self._layers
        return op.kind in _OPAQUE and not (op.base in FOLDS and pack_of(node, self.graph))

    def factors(self, node: Node) -> list[Edge]:
        """Return what a product multiplies: also the tensors of a stack, where it runs along them."""
        op, edges = self.graph.operations[node], self.graph.edges[node]
        if op.base not in ("Prod", "Cumprod"):
            return [edges[slot] for slot in op.factors if slot < len(edges)]
        stack = edges[0][0]
        if (
            edges[0] in self.graph.sources
            or self.graph.operations[stack].base != "Stack"
            or read(node, "dim", None) is None
        ):
            return []
        ndim = len(shape_of(edges[0]))
        return (
            list(self.graph.edges[stack])
            if dimension(read(node, "dim"), ndim) == dimension(read(stack, "dim"), ndim)
            else []
        )

    def together(self, node: Node) -> list[Value]:
        """Return the values that a node puts together if they are functions of one origin, else nothing."""
        if node not in self._together:
            self._together[node] = self._put_together(node)
        return self._together[node]

    def _put_together(self, node: Node) -> list[Value]:
        op = self.graph.operations[node]
        if op.base in ("Bmm", "Dot") and self._is_square(node):
            return [self.of(edge) for edge in self.graph.edges[node]]
        if not (
            op.base in _TOGETHER or op.base == "Prod" or (op.base in _CONTRACTIONS and self._multiplies_numbers(node))
        ):
            return []
        edges = self.graph.edges[node] if op.base in _TOGETHER else self.factors(node)
        values = [self.of(edge) for edge in edges if self.graph.leads_to_source(edge)]
        if len(values) < 2:
            return []
        if all(self.origins.same(value.origin, values[0].origin) for value in values[1:]):
            return [value._replace(origin=values[0].origin) for value in values]
        if self._before.keys().isdisjoint(value.origin for value in values):
            return []
        origins = [self.origins.canonical(value.origin) for value in values]
        chains = [self._chain(value) for value in values]
        common = next((u for u in chains[0] if all(u in chain for chain in chains[1:])), None)
        lifted = [] if common is None else [chain[common] for chain in chains]
        # A function of u + 3 is one of u only beside something that takes all.
        pure = op.base in ("Mul", "Addcmul", "Prod") and any(value.is_pure for value in lifted)
        unlike = any(new.form == Form.UNSEEN and new.origin != own for new, own in zip(lifted, origins, strict=False))
        return lifted if pure or not unlike else []

    def _is_square(self, node: Node) -> bool:
        """Whether a contraction multiplies each value by itself, row by row, as in ``(d * d).sum(-1)``."""
        edges = self.graph.edges[node]
        if len(self.graph.carried[node]) < 2:
            return False
        left, right = (self.origins.shape(edge) for edge in edges)
        if self.graph.operations[node].base == "Bmm" and (left[-2], right[-1]) != (1, 1):
            return False
        return self.origins.same_in_order(*(self.of(edge).origin for edge in edges))

    def _multiplies_numbers(self, node: Node) -> bool:
        """Whether a contraction adds up nothing: it runs over one value, and repeats none."""
        return self.origins.shape(self.graph.edges[node][0])[-1] == 1 and self.origins.keeps_size(node)

    def lifted(self, node: Node) -> frozenset[object]:
        """Return the sums with a constant that a node puts together with what the constant was added to."""
        values = [self.of(edge) for edge in self.graph.edges[node] if self.graph.leads_to_source(edge)]
        own = {value.origin for value in values}
        return frozenset(origin for origin in own if origin in self._before) if len(own) > 1 else frozenset()

    def _chain(self, value: Value) -> dict[object, Value]:
        """A value as a function of its origin, and of what a constant was added to for the origin."""
        chain = {self.origins.canonical(value.origin): value}
        while value.origin in self._before and len(chain) < 4:
            before = self._before[value.origin]
            form = Form.SHIFTED if value.is_linear and before.is_linear else Form.UNSEEN
            value = Value(before.origin, before.rank, form)
            chain[self.origins.canonical(value.origin)] = value
        return chain

    # ---- One node

    def _value(self, node: Node, op: Operation) -> Value:
        slots, edges = self.graph.carried[node], self.graph.edges[node]
        if op.base in _SAME:
            return self.of(edges[slots[0]])
        if op.base in VIEWS:
            return self._view(node, op, self.of(edges[slots[0]]))
        if self._is_opaque(node, op):
            # The square of a difference, for each entry, is the one loss that is no output.
            return Value((node, 0), degree=2.0 if op.base == "MseLoss" else 1.0)
        found = self._softmaxes
        if node in found.members or (node in found.parts and not found.masses[node].is_weighted):
            return Value((node, 0), Rank.PROBABILITY)
        if (op.kind in ("softmax", "piecewise") or op.base in FOLDS) and (pack := pack_of(node, self.graph)):
            return self._of_pack(node, op, pack)
        if (len(slots) > 1 or op.base == "Prod") and (parts := self.together(node)):
            value = combined(op.base, parts)
            return Value((node, 0), rank_of(value)) if op.base in _CONTRACTIONS else value
        value = self._of_one(node, op, slots[0], self.of(edges[slots[0]])) if len(slots) == 1 else None
        return self._origin(node, op, slots) if value is None else value

    def _view(self, node: Node, op: Operation, x: Value) -> Value:
        if op.base == "Select" and x.origin in self._packs:
            origin, dim = self._packs[x.origin]
            if dimension(read(node, "dim"), len(self.origins.shape(self.graph.edges[node][0]))) == dim:
                return x._replace(origin=origin)
        return Value(View(node, x.origin), x.rank, x.form, x.degree)

    def _of_pack(self, node: Node, op: Operation, pack: tuple[Edge, int, int]) -> Value:
        """What runs along a stack in which one tensor alone carries is a function of that tensor."""
        x = self.of(pack[0])
        if op.kind == "softmax":
            origin = ("packed", node)
            self._packs[origin] = x.origin, pack[2]
            return Value(origin, x.rank, Form.NONZERO)
        return x._replace(form=Form.ZERO if op.kind == "piecewise" and x.is_pure else Form.NONZERO, degree=1.0)

    def _of_one(self, node: Node, op: Operation, slot: int, x: Value) -> Value | None:
        """What an operation makes of one value, beside constants; None if it isn't elementwise."""
        if op.base == "Where":  # with a constant, as a ReLU may be written
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
        """An elementwise function of a value."""
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
        """Whether a function is a hard sigmoid: a clamp from both sides of ``u + 3``, whose 3 isn't seen."""
        if op.base not in CLAMPS or not self.is_unseen_sum(x.origin):
            return False
        if op.base in ("Clamp", "Hardtanh") and None not in bounds(node):
            return True
        if x.is_linear:  # from one side; the other one may follow
            self._half_clamped.add(x.origin)
        return not x.is_linear and x.origin in self._half_clamped

    def _powered(self, x: Value, degree: float) -> Value:
        if x.form == Form.ZERO and degree < 0:
            return Value(("inverse", self.origins.canonical(x.origin)), Rank.SCALE)
        if x.form != Form.POWER:
            return x
        total = x.degree * degree
        # The root of an even power has lost the sign: it is |u| to a power.
        if x.degree % 2 == 0 and total % 2 != 0 and total > 0:
            return x._replace(form=Form.ZERO, degree=1.0)
        return x._replace(degree=total)

    def _shifted(self, node: Node, x: Value) -> Value:
        """A sum with a constant. Added to ``c u`` it may be a bias, so the sum is an origin."""
        if x.is_linear:
            self._before[node, 0] = x
            return Value((node, 0), x.rank)
        if x.form == Form.POWER and rank_of(x) == Rank.SCALE:
            return Value((node, 0), Rank.SCALE)
        return x if x.form == Form.SHIFTED else x._replace(form=Form.UNSEEN)

    def _origin(self, node: Node, op: Operation, slots: list[int]) -> Value:
        """A value that is no elementwise function of one origin."""
        edges = self.graph.edges[node]
        if op.kind == "softmax":
            return Value((node, 0), Rank.PROBABILITY)
        if op.kind == "attention":  # a softmax times values
            if VALUE in slots:
                return Value((node, 0), self.rank(edges[VALUE]))
            return Value((node, 0), Rank.PROBABILITY if edges[VALUE][0] is None else Rank.SIGNAL)
        if op.kind == "statistic" or op.base == "Hypot":  # a root of what has the rank of an activation
            rank = min(Rank.ACTIVATED, *(self.rank(edges[slot]) for slot in slots))
            if op.base in ("LinalgVectorNorm", "Norm") and order_of(node) in (1, torch.inf):
                return Value((node, 0), rank)  # a sum of absolute values, or the largest of them
            return Value((node, 0), rank, degree=0.5 if op.base == "Hypot" else degree_of(node) / 2)
        if op.base == "Prod" and (factors := self.factors(node)):
            return Value((node, 0), self.rank_of_factors([(edge, False) for edge in factors]))
        if op.kind in ("norm", "batch_norm", "scaling"):
            slots = [slot for slot in slots if slot not in op.factors] or slots
        return Value((node, 0), max(self.rank(edges[slot], inverse=op.base == "Div" and slot == 1) for slot in slots))

    def origin(self, edge: Edge) -> object:
        """Return what tells the origin of a value from others."""
        return self.origins.canonical(self.of(edge).origin)

    def rank(self, edge: Edge, inverse: bool = False) -> Rank:
        """Return the rank of a value, or of 1 over it."""
        value = self.seen(edge)
        return rank_of(self._powered(value, -1.0) if inverse else value)

    def seen(self, edge: Edge) -> Value:
        """Return a value, its form looked at where it can't be told otherwise."""
        value = self.of(edge)
        if value.form != Form.UNSEEN:
            return value
        return value._replace(form=Form.ZERO if self.values.is_zero(edge) else Form.NONZERO)

    def rank_of_product(self, factors: list[tuple[Edge, bool]]) -> Rank:
        """Return the rank of a product of functions of one origin, some of them inverse."""
        if len(factors) == 1:
            return self.rank(*factors[0])
        values = [self._powered(self.seen(edge), -1.0) if inverse else self.seen(edge) for edge, inverse in factors]
        rank = max(value.rank for value in values)
        if all(value.form == Form.POWER for value in values) and (total := sum(value.degree for value in values)):
            return rank_of(values[0]._replace(rank=rank, degree=total))
        return min(rank, Rank.ACTIVATED if any(value.is_pure for value in values) else Rank.GATE)

    def rank_of_factors(self, factors: list[tuple[Edge, bool]]) -> Rank:
        """Return the highest rank among factors, of which functions of one origin are one."""
        groups: dict[object, list[tuple[Edge, bool]]] = defaultdict(list)
        for edge, inverse in factors:
            if self.graph.leads_to_source(edge):
                groups[self.origin(edge)].append((edge, inverse))
        return max(map(self.rank_of_product, groups.values()))

    def is_unseen_sum(self, origin: object) -> bool:
        """Return whether an origin is the sum with a constant that autograd doesn't keep."""
        return origin in self._before and all(
            edge[0] is None or self.graph.leads_to_source(edge) for edge in self.graph.edges[origin[0]]
        )


def _is_complex(edge: Edge, graph: Graph) -> bool:
    source = graph.sources.get(edge)
    return source.is_complex() if source is not None else edge[0]._input_metadata[edge[1]].dtype.is_complex
