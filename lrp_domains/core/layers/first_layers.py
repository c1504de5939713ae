"""The path from explained inputs to a layer that reads them, through padding, scaling, normalisation, concatenation.

After such a path each value that the layer reads is ``a x + c`` of at most one value of one input. So relevance passes
along it unchanged, and the bounds of the inputs yield bounds of what the layer reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import RelevanceError
from ..graph.functions import wide
from ..graph.graph import Edge, Graph
from ..graph.operations import VIEWS
from ..graph.replay import pulled, pushed

Tensor = torch.Tensor
_JOINING = frozenset(("Cat", "Stack"))
_ONE_TO_ONE = VIEWS | _JOINING | frozenset(
    """Neg Scale Add Sub Rsub Mul Div Addcmul Im2Col ConstantPadNd ReflectionPad1D ReflectionPad2D ReflectionPad3D
    ReplicationPad1D ReplicationPad2D ReplicationPad3D PixelShuffle PixelUnshuffle ChannelShuffle Index UnsafeIndex
    IndexSelect Gather MaskedFill Where NativeBatchNorm NativeBatchNormLegitNoTraining CudnnBatchNorm MiopenBatchNorm
    Deg2Rad Rad2Deg""".split()
)  # fmt: skip


def ends_of_way(edge: Edge, graph: Graph) -> set[Edge]:
    """Return the edges where the path from an edge to the inputs ends: inputs, or values that aren't ``a x + c``."""
    return {edge for edge in _way(edge, graph) if not _behind(edge, graph)}


def _way(edge: Edge, graph: Graph) -> list[Edge]:
    """Return the edges from an edge to the ends of the path, each after all that it goes into."""
    edges, seen, pending = [], set(), [(edge, False)]
    while pending:
        edge, is_done = pending.pop()
        if is_done:
            edges.append(edge)
        elif edge not in seen:
            seen.add(edge)
            pending.append((edge, True))
            pending += [(child, False) for _, child in _behind(edge, graph)]
    return edges[::-1]


def _behind(edge: Edge, graph: Graph) -> list[tuple[int, Edge]]:
    """Return the slots and edges from which a step of the path takes its values; none where the path ends."""
    node = edge[0]
    if edge in graph.sources or node not in graph.reaching:
        return []
    slots, base = graph.carried[node], graph.operations[node].base
    if base not in _ONE_TO_ONE or (len(slots) > 1 and base not in _JOINING):
        return []
    return [(slot, graph.edges[node][slot]) for slot in slots]


def is_first(edge: Edge, graph: Graph) -> bool:
    """Return whether an edge leads only to explained inputs that aren't computed from other inputs."""
    return all(end in graph.sources and end[0] not in graph.reaching for end in ends_of_way(edge, graph))


@dataclass(frozen=True)
class Way:
    """The path from the explained inputs to the edge that a layer reads."""

    edge: Edge
    graph: Graph

    def _inputs(self, rule: str) -> dict[Edge, Tensor]:
        """Return the inputs that the layer reads; raise if it reads anything else, or not only first inputs."""
        ends = ends_of_way(self.edge, self.graph)
        for end in ends:
            if end not in self.graph.sources:
                raise RelevanceError(
                    f"the {rule} rule is for a layer that reads an explained input directly; here {end[0].name()} "
                    "comes before it"
                )
            if end[0] in self.graph.reaching:
                raise RelevanceError(
                    f"the {rule} rule is for a first layer, but this one reads an explained tensor that was computed "
                    "from another: explain them in two passes"
                )
        return {end: wide(self.graph.sources[end].detach()) for end in ends}

    def _pushed(self, x: dict[Edge, Tensor]) -> Tensor:
        """Carry values at the inputs forward along the path, without its constants."""
        values = dict(x)
        for edge in reversed(_way(self.edge, self.graph)):
            if edge not in values:
                behind = _behind(edge, self.graph)
                values[edge] = sum(pushed(edge, slot, values[child]) for slot, child in behind)
        return values[self.edge]

    def _pulled(self, r: Tensor) -> dict[Edge, Tensor]:
        """Carry values at the end of the path back to the inputs."""
        values = {self.edge: r}
        for edge in _way(self.edge, self.graph):
            for slot, child in _behind(edge, self.graph):
                back = pulled(edge, slot, values[edge], self.graph)
                values[child] = values[child] + back if child in values else back
        return {edge: r for edge, r in values.items() if edge in self.graph.sources}

    def slope(self, rule: str) -> Tensor:
        """Return the a of ``a x + c`` for each value that is read: 0 where it depends on no input."""
        return self._pushed({end: torch.ones_like(x) for end, x in self._inputs(rule).items()})

    def margins(self, rule: str, low: float | Tensor, high: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of each value that is read above its lower bound and, negative, below its upper bound."""
        inputs, both = self._inputs(rule), []
        for bound, sign in ((low, 1), (high, -1)):
            margins = {end: x - torch.as_tensor(bound, dtype=x.dtype, device=x.device) for end, x in inputs.items()}
            for end, x in inputs.items():
                if bool((sign * margins[end] < 0).any()):
                    raise RelevanceError(
                        f"{rule}: inputs range from {x.min():g} to {x.max():g}, outside the given bounds; specify "
                        "bounds that include the model's inputs"
                    )
            both.append(self._pushed(margins))

        # A negative a exchanges the bounds.
        return torch.maximum(*both), torch.minimum(*both)

    def deliver(self, r: Tensor, rule: str) -> dict[Edge, Tensor]:
        """Return the relevance of each input, given the relevance of the values that are read."""
        slope = self.slope(rule)
        r = torch.where(slope == 0, 0.0, r / slope.masked_fill(slope == 0, 1.0))
        return {end: r.to(self.graph.sources[end].dtype) for end, r in self._pulled(r).items()}
