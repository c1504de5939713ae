"""The number of factors that a value is a product of, from which the shares of products follow (shares.py).

The count of a product is the sum of the counts of its open factors, and linear operations pass it on. The result of a
layer, an activation or a softmax counts one, and so does a sum of products with different counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..graph.graph import Edge, Graph, Node
from ..graph.operations import VIEWS
from ..graph.weights import layers
from ..rule import Slots
from .pieces import pieces
from .roles import CLAMPS, Roles

_PASSING = frozenset(
    "linear norm batch_norm product scaling reduction in_place interpolation piecewise statistic".split()
)
Count = tuple[int, float | None]  # the number of factors, and the share of the relevance of a softmax's exponentials
ONE: Count = (1, None)


class Counts:
    """The counts of a graph's values, set inputs first; a value whose count isn't set counts one."""

    def __init__(self, graph: Graph, carries: dict[Node, Slots]) -> None:
        self.graph, self.carries, self.roles = graph, carries, graph.once(Roles)
        self._pieces, self._layers = graph.once(pieces), graph.once(layers)
        self._of: dict[Node, Count] = {}

    def put(self, node: Node, n: int, of_exps: float | None) -> None:
        """Set the count of a product; an activation counts one, whatever it is computed from."""
        if n != 1 and self.graph.operations[node].kind != "attention" and not self.roles.of((node, 0)).is_affine:
            n = 1
        if n != 1 or of_exps is not None:
            self._of[node] = n, of_exps

    def pass_on(self, node: Node) -> None:
        """Set the count of a linear operation, from the counts of its inputs."""
        for edge in self.graph.edges[node]:
            if edge[0] in self._of or (self._pieces and edge in self._pieces):
                break
        else:  # all inputs count one
            return

        op = self.graph.operations[node]
        if op.base in VIEWS:
            self._of[node] = self._count(self.graph.edges[node][0])
            return
        if (op.kind not in _PASSING and op.base not in CLAMPS) or node in self._layers:
            return

        slots = [slot for slot, is_open in enumerate(self.carries[node]) if is_open]
        n = self.of_sum(node, slots)
        of_exps = self.of_exps(node, slots)
        if op.kind == "statistic":
            self._of[node] = n, of_exps
        else:
            self.put(node, n, of_exps)

    def of(self, edge: Edge) -> int:
        """Return the number of factors of a value."""
        return self._count(edge)[0]

    def of_exps(self, node: Node, slots: list[int]) -> float | None:
        """Return the share of the exponentials of a softmax in the relevance of a node's inputs, if there are any."""
        shares = (self._count(self.graph.edges[node][slot])[1] for slot in slots)
        return next((share for share in shares if share is not None), None)

    def of_sum(self, node: Node, slots: list[int], products: Mapping[int, int] = MappingProxyType({})) -> int:
        """Return the count of a sum: the count of its summands of the highest rank, or one if they differ.

        ``products`` are the slots that are multiplied before they are added, with their count.
        """
        edges = self.graph.edges[node]
        by_slot = {slot: products.get(slot) or self.of(edges[slot]) for slot in slots}
        # A gate may be added to a product, as before the first step of a recurrence.
        if len(set(by_slot.values())) > 1:
            ranks = {slot: self.roles.rank(edges[slot]) for slot in slots}
            ranks |= dict.fromkeys(products, max((ranks[slot] for slot in products), default=0))
            by_slot = {slot: n for slot, n in by_slot.items() if ranks[slot] == max(ranks.values())}
        counts = set(by_slot.values())
        return counts.pop() if len(counts) == 1 else 1

    def _count(self, edge: Edge) -> Count:
        if self._pieces:
            edge = self._pieces.get(edge, edge)
        if edge in self.graph.sources or edge[0] not in self._of:
            return ONE
        if edge[1] == 0 and self.graph.operations[edge[0]].kind == "statistic":
            return ONE  # the mean that var_mean also returns is linear
        return self._of[edge[0]]
