"""The values at the edges of a graph, from what autograd kept, and their values where their origin is 0.

A value is read where it was kept, computed again, or recovered from the result of a function of it. F(0) is computed by
the same operations as F(u). Autograd doesn't keep the numbers that these add: such a number is the difference between a
sum and its known terms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from ..errors import RelevanceError
from ..graph.batch_norms import is_fixed, normed
from ..graph.checkpoints import Rereading
from ..graph.elementwise import applied, inverted
from ..graph.functions import wide
from ..graph.graph import Edge, Graph, Node, dtype_of, shape_of
from ..graph.operations import COPIES, RESHAPES
from ..graph.questions import values_read
from ..graph.replay import dtype_at, pushed
from ..graph.saved import keeps, read, unpacking
from ..graph.weights import adds_bias
from .pieces import pieces

if TYPE_CHECKING:
    from .roles import Roles

Tensor = torch.Tensor
# The largest number of operations from which a value is computed.
LONGEST = 100
# Linear operations that may add numbers which autograd doesn't keep.
_ADDING = frozenset(
    "Add Sub Rsub Addcmul Where MaskedFill Fill IndexFill ConstantPadNd Scatter IndexPut IndexPutImpl".split()
)
_HOLDING = _ADDING | {"Cat", "Stack"}
# Operations that may keep their result.
_RESULTS = frozenset("activation softmax statistic Prod Cumprod Logsumexp Amax Amin".split())
# Operations that take in a value unchanged or scaled.
_TAKING_IN = COPIES | RESHAPES | frozenset("Neg Scale Mul Div T Transpose Permute Expand Select Slice".split())


class Values:
    """The values of a graph; None where they are not available."""

    def __init__(self, graph: Graph, roles: Roles) -> None:
        self.graph = graph
        self.roles = roles
        self._rereading = Rereading()
        self._known: dict[tuple[object, object], Tensor | None] = {}
        self.numbers: dict[Node, Tensor] = {}  # the numbers that sums add, as far as they were determined
        self.given: dict[Edge, Tensor] = {}  # values that are available without the graph, such as the output

    def forget(self) -> None:
        """Drop the computed values; a checkpoint recomputes them for later readers."""
        self._known.clear()
        self._rereading = Rereading()

    def _once(self, key: tuple[object, object], find: Callable[[], Tensor | None]) -> Tensor | None:
        """Return the value for a key, which is computed only the first time."""
        if key not in self._known:
            self._known[key] = find()
        return self._known[key]

    def kept(self, node: Node, name: str) -> Tensor:
        """Return what a node kept; in a checkpoint it is read once, in a separate execution group."""
        if unpacking(node, name) is None:
            return wide(read(node, name).detach())
        with self._rereading.of(node):
            return self._once((node, name), lambda: wide(read(node, name).detach()))

    @cached_property
    def _keepers(self) -> dict[Edge, list[tuple[Node, str]]]:
        """The nodes that may keep the value of an edge, and the names under which they keep it."""
        keepers: dict[Edge, list[tuple[Node, str]]] = defaultdict(list)
        for node in self.graph.reaching:
            for edge, name in zip(self.graph.edges[node], self.graph.operations[node].tensors, strict=False):
                if name is not None:
                    keepers[edge].append((node, name))
        return keepers

    @cached_property
    def _inverses(self) -> dict[Edge, Node]:
        """The edges whose value is the argument of a function that kept its result and has an inverse."""
        functions = {}
        for node in self.graph.reaching:
            function = self.graph.operations[node].function
            if function is not None and function.inverse is not None and keeps(node, "result"):
                functions.setdefault(self.graph.edges[node][0], node)
        return functions

    @cached_property
    def _users(self) -> dict[Edge, list[Edge]]:
        """The operations that take in an edge's value unchanged, scaled, or as one choice, each with the slot there."""
        users: dict[Edge, list[Edge]] = defaultdict(list)
        for node in self.graph.reaching:
            base, slots = self.graph.operations[node].base, self.graph.carried[node]
            if base == "Where" or (len(slots) == 1 and base in _TAKING_IN and (base != "Div" or slots == [0])):
                for slot in slots:
                    users[self.graph.edges[node][slot]].append((node, slot))
        return users

    def value(self, edge: Edge, depth: int = 0) -> Tensor | None:
        """Return the value at an edge."""
        values_read()
        edge = self.graph.once(pieces).get(edge, edge)
        if edge in self.graph.sources:
            return wide(self.graph.sources[edge].detach())
        if edge in self.given:
            return wide(self.given[edge])
        if edge[0] is None or depth > LONGEST:
            return None
        return self._once(("value", edge), lambda: self._value(edge, depth))

    def _value(self, edge: Edge, depth: int) -> Tensor | None:
        if hasattr(edge[0], "variable"):
            return wide(edge[0].variable.detach())
        for node, name in self._keepers.get(edge, ()):
            if keeps(node, name):
                return self.kept(node, name)
        value = self._computed(edge, depth)
        if value is None and edge in self._inverses:
            node = self._inverses[edge]
            value = inverted(node, self.kept(node, "result"))
        return value

    def available(self, edge: Edge) -> Tensor | None:
        """Return the value at an edge if it was given, kept or computed before.

        Within a pass nothing can be computed, as nodes return nothing for edges outside of it.
        """
        edge = self.graph.once(pieces).get(edge, edge)
        if edge in self.graph.sources or edge in self.given or ("value", edge) in self._known:
            return self.value(edge)
        keepers, op = list(self._keepers.get(edge, ())), self.graph.operations.get(edge[0])
        if edge[1] == 0 and op is not None and (op.kind in _RESULTS or op.base in _RESULTS):
            keepers.append((edge[0], "result"))
        return next((self.kept(node, name) for node, name in keepers if keeps(node, name)), None)

    def inverted_at(self, edge: Edge) -> Node | None:
        """Return the function from whose result the value at an edge is recovered, if that is the only way to it."""
        kept = any(keeps(node, name) for node, name in self._keepers.get(edge, ()))
        is_known = kept or edge in self.given or self._computed(edge, 0) is not None
        return None if is_known else self._inverses.get(edge)

    def _computed(self, edge: Edge, depth: int) -> Tensor | None:
        """Return the value at an edge, computed from the values before it."""
        node, op = edge[0], self.graph.operations[edge[0]]
        edges = self.graph.edges[node]
        if edge[1] == 0 and (op.kind in _RESULTS or op.base in _RESULTS) and keeps(node, "result"):
            return self.kept(node, "result")
        if op.function is not None:
            slots = [slot for slot, behind in enumerate(edges) if behind[0] is not None]
            x = self.value(edges[slots[0]], depth + 1) if len(slots) == 1 else None
            return None if x is None else applied(node, slots[0])(x)

        if op.kind == "batch_norm" and is_fixed(node, self.graph):
            x, bias = self.value(edges[0], depth + 1), self.value(edges[2], depth + 1)
            if x is None or (bias is None and keeps(node, "weight")):
                return None
            return normed(node, x, bias, self.kept)
        if op.kind not in ("linear", "product") or (op.base in _HOLDING and any(behind[0] is None for behind in edges)):
            return None
        if op.base in ("Add", "Sub", "Rsub") and len(edges) < 2:
            return None  # a number is added

        slots = [slot for slot, behind in enumerate(edges) if behind[0] is not None]
        if op.kind == "product":
            if adds_bias(node, op) is not None and edges[adds_bias(node, op)][0] is None:
                return None  # a bias that isn't in the graph
            factors = [slot for slot in op.factors if slot in slots]
            slots = [slot for slot in slots if slot not in op.factors or slot == factors[0]]
        return self._sum(edge, slots, [self.value(edges[slot], depth + 1) for slot in slots])

    def _sum(self, edge: Edge, slots: list[int], parts: list[Tensor | None]) -> Tensor | None:
        """Apply a linear operation to the values at some of its slots."""
        if not slots or any(part is None for part in parts):
            return None
        return sum(pushed(edge, slot, part) for slot, part in zip(slots, parts, strict=True))

    # ---- Where the origin is 0

    def reference(self, edge: Edge, through: frozenset[object] = frozenset()) -> tuple[Tensor | None, Tensor | None]:
        """Return a value, and its value where its origin is 0.

        The sums with a constant in ``through`` don't count as origins: instead, what the constant was added to does.
        """
        return self.value(edge), self.at_zero(edge, through)

    def at_zero(self, edge: Edge, through: frozenset[object] = frozenset(), depth: int = 0) -> Tensor | None:
        """Return the value at an edge where its origin is 0."""
        edge = self.graph.once(pieces).get(edge, edge)
        role = self.roles.of(edge)
        if role.is_pure and role.origin not in through:
            return torch.zeros((), dtype=dtype_at(edge), device=edge[0]._input_metadata[edge[1]].device)
        if edge in self.graph.sources:
            return None
        if depth > LONGEST:
            raise RelevanceError(
                f"{edge[0].name()} ends a composition of more than {LONGEST} elementwise operations, which is too long "
                "to compute: give its operations a rule (rules.for_nodes), or explain the parts one by one"
            )
        return self._once(("at zero", edge, through), lambda: self._at_zero(edge, through, depth + 1))

    def _at_zero(self, edge: Edge, through: frozenset[object], depth: int) -> Tensor | None:
        node, op = edge[0], self.graph.operations[edge[0]]
        edges, slots = self.graph.edges[node], self.graph.carried[node]
        parts = [self.at_zero(edges[slot], through, depth) for slot in slots]
        if any(part is None for part in parts):
            return None

        if op.function is not None and len(slots) == 1 and not (op.base == "Div" and slots == [0]):
            return applied(node, slots[0])(parts[0])
        if op.base in ("Mul", "Div") and len(slots) == 2:
            return parts[0] * parts[1] if op.base == "Mul" else parts[0] / parts[1]
        if op.kind not in ("linear", "product", "batch_norm"):
            return None

        # A linear operation keeps its constants: those in the graph, and those that autograd doesn't keep.
        total = self._sum(edge, slots, parts)
        if op.kind == "batch_norm":
            number = self._number(edge, slots)
            return None if number is None else total + number
        constant_slots = [slot for slot, behind in enumerate(edges) if slot not in slots and behind[0] is not None]
        constant_slots = [slot for slot in constant_slots if op.kind == "linear" or slot not in op.factors]
        if constant_slots:
            constants = self._sum(edge, constant_slots, [self.value(edges[slot]) for slot in constant_slots])
            return None if constants is None else total + constants
        if op.base in _ADDING and len(slots) < 2:
            number = self._number(edge, slots)
            return None if number is None else total + number
        return total

    def _number(self, edge: Edge, slots: list[int]) -> Tensor | None:
        """Return what an operation adds that autograd doesn't keep: the difference between its value and its parts.

        If that is one number up to rounding, it is read where the value is smallest, hence most precise.
        """
        edges = self.graph.edges[edge[0]]
        y = self.value(edge)
        parts = self._sum(edge, slots, [self.value(edges[slot]) for slot in slots])
        if y is None and parts is not None:
            y, parts = self._seen_later(edge, parts)
        if y is None or parts is None or y.numel() == 0:
            return None

        eps = torch.finfo(dtype_of(edge)).eps
        size = (y.abs() + parts.abs()).nan_to_num(torch.inf)
        difference = y - parts
        number, smallest = difference.take(size.argmin()), size.min()
        agrees = ((difference - number).abs() <= 8 * eps * size) | ~difference.isfinite()
        if not bool(agrees.all()):  # a tensor was added
            if difference.shape != shape_of(edge):
                return None
            self.numbers[edge[0]] = difference
            return difference

        if not bool(eps * smallest <= 1e-2 * (1e-2 + number.abs())):
            raise RelevanceError(
                f"{edge[0].name()} adds a number that autograd doesn't keep, and all of its values are too large to "
                "distinguish it from rounding: explain the function in float64, or use torch's own (torch.sigmoid, ...)"
            )
        self.numbers[edge[0]] = number
        return number

    def _seen_later(self, edge: Edge, parts: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return a value and its known parts, from the value of a later operation that is available.

        Such an operation takes in the value unchanged, scaled, or as one choice among others.
        """
        pending = [(edge, parts, torch.ones_like(parts))]
        while pending:
            edge, parts, scale = pending.pop()
            for user, slot in self._users.get(edge, ()):
                pushed_parts, pushed_scale = (pushed((user, 0), slot, t) for t in (parts, scale))
                if (y := self.value((user, 0))) is not None:
                    taken = pushed_scale != 0
                    if bool(taken.all()):
                        return y / pushed_scale, pushed_parts / pushed_scale
                    scale = pushed_scale[taken]
                    return y[taken] / scale, pushed_parts[taken] / scale
                pending.append(((user, 0), pushed_parts, pushed_scale))
        return None, None

    def is_zero(self, edge: Edge) -> bool:
        """Return whether a value is 0 where its origin is 0; False if that can't be computed."""
        try:
            at_zero = self.at_zero(edge)
        except RelevanceError:
            return False
        if at_zero is None:
            return False
        eps = torch.finfo(dtype_of(edge)).eps
        return bool((at_zero.abs() <= min(1e3 * eps, 0.05)).all())
