"""Origins: the identities of the tensors that values are functions of.

Equal views of one tensor are one origin, and reshapes cancel out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.operations import RESHAPES, VIEWS
from ..graph.questions import is_same, question
from ..graph.saved import dimension, keeps, read, unpacking

Shape = tuple[int, ...]
# Operations that are identified by their inputs and by what they keep; a sum of one operand adds a number.
_TRACED = VIEWS | frozenset(
    """Add Sub Mul Div Neg Scale Mm Addmm Bmm Baddbmm Mv Dot Sum Mean Softmax Logsumexp Amax Amin LinalgVectorNorm
    Norm""".split()
)
_UNTRACED = frozenset("Threshold NanToNum RreluWithNoise".split())
_ONE_TO_ONE = RESHAPES | {"Sum", "Mean"}  # a sum over one value


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The view of an origin that a node makes."""

    node: Node
    of: object


class Origins:
    """The views in a graph, numbered so that equal views have one number."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._numbers: dict[tuple, int] = {}
        self._of_views: dict[View, object] = {}
        self._bases: dict[object, tuple[object, Shape]] = {}  # of reshapes: what was reshaped, and its shape

    def canonical(self, origin: object) -> object:
        """Return the number of a view; any other origin is returned unchanged."""
        if not isinstance(origin, View):
            return origin

        # Without recursion, as a view may be one of many views.
        views = []
        while isinstance(origin, View) and origin not in self._of_views:
            views.append(origin)
            origin = origin.of
        canonical = self._of_views.get(origin, origin) if isinstance(origin, View) else origin
        for view in reversed(views):
            canonical = self._of_views[view] = self._of_view(view.node, canonical)
        return canonical

    def same(self, a: object, b: object) -> bool:
        """Return whether two origins are the same tensor, or were computed in the same way from the same tensors."""
        if a is b or a == b:
            return True
        if isinstance(a, View) or isinstance(b, View):
            return root(a) == root(b) and self.canonical(a) == self.canonical(b)
        if type(a) is not tuple or type(b) is not tuple or type(a[0]) is not type(b[0]) or a[0] not in self.graph.edges:
            return False
        return equal(a, b, self.graph)

    def same_in_order(self, a: object, b: object) -> bool:
        """Return whether two origins are the same up to a reshape."""
        return self.same(*(self._bases.get(origin, (origin,))[0] for origin in map(self.canonical, (a, b))))

    def _of_view(self, node: Node, of: object) -> object:
        """Return the number of the view that a node makes of an origin."""
        base, shape = self.graph.operations[node].base, shape_of((node, 0))
        if base not in _ONE_TO_ONE and not self._moves_nothing(node, base):
            return self._number(
                (base, tuple(_comparable(read(node, name)) for name in _kept_names(type(node))), shape, of)
            )

        # A reshape of a reshape is one reshape of the base, and back to its shape it is the base.
        base_of, base_shape = self._bases.get(of, (of, self.shape(self.graph.edges[node][self.graph.carried[node][0]])))
        if shape == base_shape:
            return base_of
        number = self._number(("reshaped", shape, base_of))
        self._bases[number] = (base_of, base_shape)
        return number

    def _moves_nothing(self, node: Node, base: str) -> bool:
        """Return whether a view keeps the order of the values: no expansion, and only dimensions of size 1 move."""
        before = self.shape(self.graph.edges[node][0])
        if base == "Expand":
            return before == shape_of((node, 0))

        order = list(range(len(before)))
        if base == "Permute":
            order = [dimension(d, len(before)) for d in read(node, "dims")]
        elif base in ("T", "Transpose") and len(before) > 1:
            i, j = (0, 1) if base == "T" else (dimension(read(node, name), len(before)) for name in ("dim0", "dim1"))
            order[i], order[j] = order[j], order[i]
        else:
            return False

        moving = [d for d in order if before[d] != 1]
        return moving == sorted(moving)

    def _number(self, key: tuple) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def shape(self, edge: Edge) -> Shape:
        """Return the shape of the value at an edge, which may be an input."""
        return tuple(self.graph.sources[edge].shape) if edge in self.graph.sources else shape_of(edge)

    def keeps_size(self, node: Node) -> bool:
        """Return whether a node's result has as many values as its inputs: a sum over one value is a view."""
        size = _size(shape_of((node, 0)))
        return all(_size(self.shape(self.graph.edges[node][slot])) == size for slot in self.graph.carried[node])


def root(origin: object) -> object:
    """Return the origin behind all views."""
    while isinstance(origin, View):
        origin = origin.of
    return origin


def equal(a: Edge, b: Edge, graph: Graph) -> bool:
    """Return whether two values were computed from the same tensors by the same operations."""
    pending, seen = [(a, b)], set()
    while pending:
        a, b = pending.pop()
        if a == b or (a, b) in seen:
            continue
        seen.add((a, b))

        # The same operation, of inputs that are compared in turn.
        if a in graph.sources or b in graph.sources or a[0] not in graph.edges or b[0] not in graph.edges:
            return False
        op, edges = graph.operations[a[0]], (graph.edges[a[0]], graph.edges[b[0]])
        if type(a[0]) is not type(b[0]) or a[1] != b[1] or shape_of(a) != shape_of(b):
            return False
        if (op.base not in _TRACED and op.function is None) or op.base in _UNTRACED or len(edges[0]) != len(edges[1]):
            return False

        # Constants and settings can only be compared if autograd kept them.
        constant = [slot for slot, edge in enumerate(edges[0]) if edge[0] is None]
        if not all(keeps(node, op.slot_kept(slot)) for node in (a[0], b[0]) for slot in constant):
            return False
        computed = {name for name, edge in zip(op.tensors, edges[0], strict=False) if edge[0] is not None}
        settings = [name for name in _kept_names(type(a[0])) if name not in computed and not name.startswith("result")]
        if any(unpacking(node, name) is not None for node in (a[0], b[0]) for name in settings):
            return False  # a checkpoint would recompute them
        if not all(is_same(*(_identity_of(node, name) for node in (a[0], b[0]))) for name in settings):
            return False

        pending += zip(*edges, strict=True)
    return True


@question
def _identity_of(node: Node, name: str) -> object:
    """Return what identifies a saved value: of a large tensor only its memory."""
    return _identity(read(node, name))


def _identity(saved: object) -> object:
    if isinstance(saved, list | tuple):
        return tuple(map(_identity, saved))
    if not isinstance(saved, torch.Tensor):
        return saved
    if saved.numel() == 1 and saved.device.type == "cpu":
        return "a number", saved.item()
    return saved.data_ptr(), saved.shape, saved.stride(), saved.dtype


@cache
def _kept_names(node_class: type) -> tuple[str, ...]:
    return tuple(name[len("_saved_") :] for name in dir(node_class) if name.startswith("_saved_"))


def _comparable(saved: object) -> object:
    """Return a saved value as part of a key; a tensor equals nothing else."""
    return object() if isinstance(saved, torch.Tensor) else tuple(saved) if isinstance(saved, list) else saved


def _size(shape: Shape) -> int:
    return torch.Size(shape).numel()
