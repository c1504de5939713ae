"""The biases of neurons: what is constant in the sums that layers end in.

It is read from the graph. Frozen parameters, numbers and buffers leave no trace there; what they add up to is what a
neuron's value, where some later operation kept it, has beside its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch

from ..errors import RelevanceError
from ..graph.elementwise import inverted
from ..graph.functions import wide
from ..graph.graph import Edge, Node
from ..graph.operations import VIEWS
from ..graph.replay import dtype_at, handed_back
from ..graph.saved import keeps
from ..graph.weights import adds_bias
from ..roles.roles import Roles
from .linear_maps import own_bias
from .neurons import Sums
from .steps import JOINING, SCALING, SUMS, TOTALS, is_step, number, push

Tensor = torch.Tensor
_NOT_KEPT = (
    "a layer rule needs all that is added to a layer, but a bias that is frozen, a number, buffer or mask leaves no "
    "trace in the graph, and nothing later kept the sum: for a frozen bias call model.requires_grad_(True) before the "
    "forward pass; make a buffer or number a Parameter; put a mask on by masked_fill or torch.where; and add layers "
    "without Python's sum(), which starts from the number 0"
)
Seen = tuple[Tensor, Tensor]
# What takes some entries out as they are.
_CHOOSING = frozenset("Index UnsafeIndex IndexSelect Gather Max Min Topk Amax Amin".split())


class Biases:
    """The biases at the tops of sums; looked up before the pass, which frees what the graph keeps.

    Raises
    ------
    RelevanceError
        A bias is frozen, a number or a buffer, and no later operation kept the neuron's value.
    """

    def __init__(self, sums: Sums, wanted: Collection[Node]) -> None:
        self.sums, self.graph = sums, sums.graph
        self.values = sums.graph.once(Roles).values
        self._own: dict[Node, tuple[Tensor, ...]] = {}
        self._known: dict[Edge, tuple[Tensor, ...]] = {}
        self._seen: dict[Edge, tuple[Tensor, Tensor]] = {}
        self.holding: set[Node] = set()  # nodes whose value has something constant in it
        unseen: set[Node] = set()
        for node in sums.graph.order:
            if node not in sums.steps and node not in sums.layers:
                continue
            constants = self._constants(node)
            behind = {self.graph.edges[node][slot][0] for slot in sums.steps.get(node, ())}
            if constants or behind & self.holding:
                self.holding.add(node)
            is_unseen = any(constant is None for constant in constants)
            if is_unseen or behind & unseen:
                unseen.add(node)
            self._own[node] = (sum(constants),) if constants and not is_unseen else ()
        for edge in sums.tops:
            if edge[0] in unseen and edge[0] in wanted:
                self._seen[edge] = self._later(edge)

    def at(self, top: Edge, layers: Tensor) -> Tensor:
        """Return the bias at a top, given what the layers add up to there."""
        if top in self._seen:
            value, error = self._seen[top]
            return _difference(value, layers, error, torch.finfo(top[0]._input_metadata[top[1]].dtype).eps)
        found = self.sums.total(top, self._known, lambda node: self._own[node], scaled=True)
        return found[0] if found else torch.zeros((), dtype=layers.dtype, device=layers.device)

    def _constants(self, node: Node) -> list[Tensor | None]:
        """What a node adds by itself; None for what leaves no trace."""
        op, edges = self.graph.operations[node], self.graph.edges[node]
        entered = self.sums.steps.get(node, ())
        if node in self.sums.layers:
            own = adds_bias(node, op)
            return [] if own is None or self.sums.flow[node][own] else [own_bias(node, self.graph)]
        if op.base in SUMS:
            return [self._constant(node, slot) for slot in (0, 1) if slot not in entered]
        if op.base in JOINING:
            added = any(self.graph.operations[user].base in TOTALS for user, _ in self.sums.users[node, 0])
            joined = [self._constant(node, slot) for slot in range(len(edges)) if slot not in entered]
            return joined if added else [value for value in joined if value is not None]  # else they stand apart
        return []

    def _constant(self, node: Node, slot: int) -> Tensor | None:
        edges = self.graph.edges[node]
        value = self.values.value(edges[slot]) if slot < len(edges) else None
        return None if value is None else number(node, slot, self.graph) * push(node, slot, value, self.graph)[0]

    def _later(self, top: Edge) -> Seen:
        """The value of a neuron, as later operations kept it, and its rounding."""
        seen = self._seen_at(top)
        if seen is None:
            raise RelevanceError(_NOT_KEPT)
        return seen

    def _seen_at(self, edge: Edge) -> Seen | None:
        """The same at an edge, also from what is cut out of it; no numbers where nothing kept it, or nothing flows."""
        values, eps = self.values, torch.finfo(edge[0]._input_metadata[edge[1]].dtype).eps
        if (value := values.value(edge)) is not None:
            error = 8 * eps * value.abs()
            if (saturating := values.inverted_at(edge)) is not None:
                y = values.kept(saturating, "result")
                error = sum((inverted(saturating, y * (1 + sign * 4 * eps)) - value).abs() for sign in (1, -1))
            return value, error
        users = [user for user, _ in self.sums.users.get(edge, ())]
        found = [self._seen_by(user, eps) for user in users]
        if users and all(seen is None for seen in found):
            return None
        # Where nothing flows from there is no need to know; what no user knows else is unknown.
        meta = edge[0]._input_metadata[edge[1]]
        value = torch.full(meta.shape, torch.nan, dtype=dtype_at(edge), device=meta.device)
        error = torch.zeros_like(value)
        for other in found:
            of_other = (torch.zeros_like(value), torch.full_like(value, torch.inf)) if other is None else other
            is_better = (of_other[1] < error) | (value.isnan() & ~of_other[0].isnan())
            value, error = (torch.where(is_better, new, old) for new, old in zip(of_other, (value, error), strict=True))
        return value, error

    def _seen_by(self, user: Node, eps: float) -> Seen | None:
        """The same, of one operation that takes the edge in."""
        base, slot = self.graph.operations[user].base, self.graph.carried[user][0]
        if base == "Relu" and keeps(user, "result"):
            value = self.values.kept(user, "result")
            return torch.where(value > 0, value, torch.nan), 8 * eps * value
        if base in SCALING and is_step(user, self.graph, ()):
            by = number(user, slot, self.graph)
            return (seen := self._seen_at((user, 0))) and (seen[0] / by, seen[1] / abs(by))
        if base not in VIEWS | _CHOOSING:
            return None
        parts = [self._seen_at((user, output)) for output in range(len(user._input_metadata))]
        if all(part is None for part in parts):
            return None

        def back(of_part: Callable[[Tensor, Tensor], Tensor], of_unknown: float | None = None) -> Tensor:
            given = []
            for output, part in enumerate(parts):
                meta = user._input_metadata[output]
                if part is not None:
                    given.append(of_part(*part))
                elif of_unknown is None or not meta.dtype.is_floating_point:
                    given.append(None)
                else:
                    given.append(torch.full(meta.shape, of_unknown, device=meta.device))
            return wide(handed_back(user, given)[slot])

        def is_known(value: Tensor, error: Tensor) -> Tensor:
            return ~value.isnan() & error.isfinite()

        count = back(is_known)
        is_unknown = (back(lambda value, error: ~value.isnan() & ~error.isfinite(), 1.0) > 0) & (count == 0)
        value = back(lambda value, error: value.where(is_known(value, error), 0.0)) / count.clamp_min(1)
        error = back(lambda value, error: error.where(is_known(value, error), 0.0)) / count.clamp_min(1)
        value = value.masked_fill((count == 0) & ~is_unknown, torch.nan)
        return value, error.masked_fill(is_unknown, torch.inf)


def _difference(value: Tensor, layers: Tensor, error: Tensor, eps: float) -> Tensor:
    """What a value has beside its layers; where it has saturated, what others of its channel have."""
    bias = torch.where(value.isnan(), 0.0, value - layers)
    is_sharp = value.isnan() | (error <= eps**0.5 * (value.abs() + layers.abs()))
    if bool(is_sharp.all()):
        return bias
    for channel in {value.ndim - 1, min(1, value.ndim - 1)}:
        rows = bias.movedim(channel, -1).flatten(0, -2)
        sharp, errors = (t.movedim(channel, -1).flatten(0, -2) for t in (is_sharp, error.nan_to_num(torch.inf)))
        sharpest = errors.argmin(0, keepdim=True)
        read, is_known = rows.gather(0, sharpest), sharp.gather(0, sharpest).all()
        if bool(is_known & (((rows - read).abs() <= errors + errors.gather(0, sharpest)) | ~sharp).all()):
            return torch.where(is_sharp, bias, read.view(-1, *[1] * (value.ndim - 1 - channel)))
    raise RelevanceError(
        "a layer rule needs a bias that left no trace in the graph, and the activation that kept the sum hides it, as "
        "it has saturated: call model.requires_grad_(True) before the forward pass"
    )
