"""The biases of neurons: the constants in the sums of layers.

They are read from the graph. Frozen parameters, numbers and buffers leave no trace there; their sum is the difference
between a neuron's value, where a later operation kept it, and its layers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch

from ..errors import RelevanceError
from ..graph.batch_norms import by_channel, shift
from ..graph.elementwise import inverted
from ..graph.functions import wide
from ..graph.graph import Edge, Node, shape_of
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
    "a layer rule needs all that is added to a layer, but a frozen bias, a number, a buffer or a mask leaves no "
    "trace in the graph, and no later operation kept the sum: for a frozen bias call model.requires_grad_(True) before "
    "the forward pass; make a buffer or number a Parameter; apply a mask with masked_fill or torch.where; and add "
    "layers without Python's sum(), which starts from the number 0"
)
Seen = tuple[Tensor, Tensor]
# Operations that take out some entries unchanged.
_CHOOSING = frozenset("Index UnsafeIndex IndexSelect Gather Max Min Topk Amax Amin".split())


class Biases:
    """The biases at the tops of sums, collected before the pass, which frees what the graph keeps.

    Raises
    ------
    RelevanceError
        A bias is frozen, a number or a buffer, and no later operation kept the neuron's value.
    """

    def __init__(self, sums: Sums, required: Collection[Node]) -> None:
        self.sums, self.graph = sums, sums.graph
        self.values = sums.graph.once(Roles).values
        self._added_by: dict[Node, tuple[Tensor, ...]] = {}
        self._known: dict[Edge, tuple[Tensor, ...]] = {}
        self._seen: dict[Edge, tuple[Tensor, Tensor]] = {}
        self.holding: set[Node] = set()  # nodes whose value includes a constant

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
            self._added_by[node] = (sum(constants),) if constants and not is_unseen else ()

        for edge in sums.tops:
            if edge[0] in unseen and edge[0] in required:
                self._seen[edge] = self._later(edge)

    def leaves_no_trace(self, top: Edge) -> bool:
        """Return whether the bias at a top is known only from the sum of the layers there."""
        return top in self._seen

    def at(self, top: Edge, layers: Tensor) -> Tensor:
        """Return the bias at a top, given the sum of the layers there."""
        if top in self._seen:
            value, error = self._seen[top]
            return _difference(value, layers, error, torch.finfo(top[0]._input_metadata[top[1]].dtype).eps)
        totals = self.sums.total(top, self._known, lambda node: self._added_by[node], scaled=True)
        return totals[0] if totals else torch.zeros((), dtype=layers.dtype, device=layers.device)

    def _constants(self, node: Node) -> list[Tensor | None]:
        """Return the constants that a node adds; None for each that leaves no trace."""
        op, edges = self.graph.operations[node], self.graph.edges[node]
        entered = self.sums.steps.get(node, ())

        if node in self.sums.layers:
            slot = adds_bias(node, op)
            if slot is None or self.sums.flow[node][slot]:
                return []
            return [own_bias(node, self.graph)]

        if op.kind == "batch_norm" and entered:
            bias = self.values.value(edges[2])
            is_seen = bias is not None or not keeps(node, "weight")
            added = shift(node, bias, self.values.kept)
            return [by_channel(added, len(shape_of((node, 0)))) if is_seen else None]

        if op.base == "Addcmul" and entered:
            return [self.values.value(edges[0])]

        if op.base in SUMS:
            return [self._constant(node, slot) for slot in (0, 1) if slot not in entered]

        if op.base in JOINING:
            # Without a later sum, a constant without a trace is in none of the neurons.
            is_summed = any(self.graph.operations[user].base in TOTALS for user, _ in self.sums.users[node, 0])
            joined = [self._constant(node, slot) for slot in range(len(edges)) if slot not in entered]
            return joined if is_summed else [value for value in joined if value is not None]

        return []

    def _constant(self, node: Node, slot: int) -> Tensor | None:
        """Return the constant that a step adds at a slot; None if it leaves no trace."""
        edges = self.graph.edges[node]
        value = self.values.value(edges[slot]) if slot < len(edges) else None
        return None if value is None else number(node, slot, self.graph) * push(node, slot, value, self.graph)[0]

    def _later(self, top: Edge) -> Seen:
        """Return the value of a neuron, as later operations kept it, and its rounding error."""
        seen = self._seen_at(top)
        if seen is None:
            raise RelevanceError(_NOT_KEPT)
        return seen

    def _seen_at(self, edge: Edge) -> Seen | None:
        """Return the value at an edge and its rounding error, also from what is cut out of it.

        None if no operation kept any of it. Where no relevance flows the value is NaN; where it flows but no operation
        kept the value, the error is infinite.
        """
        values, eps = self.values, torch.finfo(edge[0]._input_metadata[edge[1]].dtype).eps
        if (value := values.value(edge)) is not None:
            error = 8 * eps * value.abs()
            if (saturating := values.inverted_at(edge)) is not None:
                y = values.kept(saturating, "result")
                error = sum((inverted(saturating, y * (1 + sign * 4 * eps)) - value).abs() for sign in (1, -1))
            return value, error

        users = self.sums.users.get(edge, ())
        seen_by_users = [self._seen_by(user, slot, eps) for user, slot in users]
        if users and all(seen is None for seen in seen_by_users):
            return None

        # Combine the most precise entries. An entry that no relevance flows from isn't needed.
        meta = edge[0]._input_metadata[edge[1]]
        value = torch.full(meta.shape, torch.nan, dtype=dtype_at(edge), device=meta.device)
        error = torch.zeros_like(value)
        for seen in seen_by_users:
            seen = (torch.zeros_like(value), torch.full_like(value, torch.inf)) if seen is None else seen
            is_better = ~seen[0].isnan() & ((seen[1] < error) | value.isnan())
            value, error = (torch.where(is_better, new, old) for new, old in zip(seen, (value, error), strict=True))
        return value, error

    def _seen_by(self, user: Node, slot: int, eps: float) -> Seen | None:
        """Return the value and error at an edge as seen by one operation that takes it in at a slot."""
        base = self.graph.operations[user].base
        if base == "Relu" and keeps(user, "result"):
            value = self.values.kept(user, "result")
            # No relevance flows where a ReLU is 0.
            return torch.where(value > 0, value, torch.nan), 8 * eps * value
        if base in SUMS:
            return self._seen_in_sum(user, slot, eps)
        if base in SCALING and is_step(user, self.graph, ()):
            by = number(user, slot, self.graph)
            return (seen := self._seen_at((user, 0))) and (seen[0] / by, seen[1] / abs(by))
        if base not in VIEWS | JOINING | _CHOOSING:
            return None

        parts = [self._seen_at((user, output)) for output in range(len(user._input_metadata))]
        if all(part is None for part in parts):
            return None

        # The backward of a selection adds up at each entry what is cut out of it.
        def back(of_part: Callable[[Tensor, Tensor], Tensor], of_unknown: float | None = None) -> Tensor:
            g = []
            for output, part in enumerate(parts):
                meta = user._input_metadata[output]
                if part is not None:
                    g.append(of_part(*part))
                elif of_unknown is None or not meta.dtype.is_floating_point:
                    g.append(None)
                else:
                    g.append(torch.full(meta.shape, of_unknown, device=meta.device))
            return wide(handed_back(user, g)[slot])

        def is_known(value: Tensor, error: Tensor) -> Tensor:
            return ~value.isnan() & error.isfinite()

        # The mean of the cut-out entries that are known.
        count = back(is_known)
        is_unknown = (back(lambda value, error: ~value.isnan() & ~error.isfinite(), 1.0) > 0) & (count == 0)
        value = back(lambda value, error: value.where(is_known(value, error), 0.0)) / count.clamp_min(1)
        error = back(lambda value, error: error.where(is_known(value, error), 0.0)) / count.clamp_min(1)
        value = value.masked_fill((count == 0) & ~is_unknown, torch.nan)
        return value, error.masked_fill(is_unknown, torch.inf)

    def _seen_in_sum(self, user: Node, slot: int, eps: float) -> Seen | None:
        """Return the value and error of a summand, if the sum is seen and the other summand is known."""
        edges = self.graph.edges[user]
        if len(edges) != 2 or shape_of(edges[slot]) != shape_of((user, 0)):
            return None
        known, seen = self.values.value(edges[1 - slot]), self._seen_at((user, 0))
        if known is None or seen is None:
            return None
        known, by = number(user, 1 - slot, self.graph) * known, number(user, slot, self.graph)
        return (seen[0] - known) / by, (seen[1] + 8 * eps * known.abs()) / abs(by)


def _difference(value: Tensor, layers: Tensor, error: Tensor, eps: float) -> Tensor:
    """Return the difference between a value and its layers; where it has saturated, that of others in its channel."""
    bias = torch.where(value.isnan(), 0.0, value - layers)
    is_sharp = value.isnan() | (error <= eps**0.5 * (value.abs() + layers.abs()))
    if bool(is_sharp.all()):
        return bias

    # The channels may be the last dimension or the second; the entries of a channel must agree within their errors.
    for channel in {value.ndim - 1, min(1, value.ndim - 1)}:
        rows = bias.movedim(channel, -1).flatten(0, -2)
        sharp, errors = (t.movedim(channel, -1).flatten(0, -2) for t in (is_sharp, error.nan_to_num(torch.inf)))
        sharpest = errors.argmin(0, keepdim=True)
        biases, is_known = rows.gather(0, sharpest), sharp.gather(0, sharpest).all()
        if bool(is_known & (((rows - biases).abs() <= errors + errors.gather(0, sharpest)) | ~sharp).all()):
            return torch.where(is_sharp, bias, biases.view(-1, *[1] * (value.ndim - 1 - channel)))

    raise RelevanceError(
        "a layer rule needs a bias that left no trace in the graph, and the activation that kept the sum has saturated "
        "and hides it: for a frozen bias call model.requires_grad_(True) before the forward pass; make a buffer (the "
        "zeros for keys) a Parameter"
    )
