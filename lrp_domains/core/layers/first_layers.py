"""The way from explained inputs to a layer that reads them, through padding, scaling, normalisation and concatenation.

On such a way each value that the layer reads is ``a x + c`` of at most one value of one input, so relevance passes it
as it is, and bounds of the inputs are bounds of what the layer reads.
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
    IndexSelect Gather MaskedFill Where NativeBatchNorm NativeBatchNormLegitNoTraining Deg2Rad Rad2Deg""".split()
)  # fmt: skip


def ends_of_way(edge: Edge, graph: Graph) -> set[Edge]:
    """Return the inputs that an edge leads to, or in their place what stands before them that isn't ``a x + c``."""
    return {edge for edge in _way(edge, graph) if not _behind(edge, graph)}


def _way(edge: Edge, graph: Graph) -> list[Edge]:
    """The edges from an edge to where the way ends, each after all that it goes into."""
    found, seen, pending = [], set(), [(edge, False)]
    while pending:
        edge, is_done = pending.pop()
        if is_done:
            found.append(edge)
        elif edge not in seen:
            seen.add(edge)
            pending.append((edge, True))
            pending += [(child, False) for _, child in _behind(edge, graph)]
    return found[::-1]


def _behind(edge: Edge, graph: Graph) -> list[tuple[int, Edge]]:
    """The slots and edges from which a step of the way takes its values; none where the way ends."""
    node = edge[0]
    if edge in graph.sources or node not in graph.reaching:
        return []
    slots, base = graph.carried[node], graph.operations[node].base
    if base not in _ONE_TO_ONE or (len(slots) > 1 and base not in _JOINING):
        return []
    return [(slot, graph.edges[node][slot]) for slot in slots]


def is_first(edge: Edge, graph: Graph) -> bool:
    """Return whether an edge leads to explained inputs alone that aren't computed from others."""
    return all(end in graph.sources and end[0] not in graph.reaching for end in ends_of_way(edge, graph))


@dataclass(frozen=True)
class Way:
    """The way from the explained inputs to the edge that a layer reads."""

    edge: Edge
    graph: Graph

    def _inputs(self, rule: str) -> dict[Edge, Tensor]:
        ends = ends_of_way(self.edge, self.graph)
        for end in ends:
            if end not in self.graph.sources:
                raise RelevanceError(
                    f"the {rule} rule is for a layer that reads an explained input directly; here {end[0].name()} "
                    "stands before"
                )
            if end[0] in self.graph.reaching:
                raise RelevanceError(
                    f"the {rule} rule is for a first layer, but this one reads an explained tensor that was computed "
                    "from another: explain them in two passes"
                )
        return {end: wide(self.graph.sources[end].detach()) for end in ends}

    def _pushed(self, x: dict[Edge, Tensor]) -> Tensor:
        """What the way makes of something at the inputs, constants left out."""
        made = dict(x)
        for edge in reversed(_way(self.edge, self.graph)):
            if edge not in made:
                behind = _behind(edge, self.graph)
                made[edge] = sum(pushed(edge, slot, made[child]) for slot, child in behind)
        return made[self.edge]

    def _pulled(self, r: Tensor) -> dict[Edge, Tensor]:
        """What the way hands back to the inputs of something at its end."""
        found = {self.edge: r}
        for edge in _way(self.edge, self.graph):
            for slot, child in _behind(edge, self.graph):
                back = pulled(edge, slot, found[edge], self.graph)
                found[child] = found[child] + back if child in found else back
        return {edge: r for edge, r in found.items() if edge in self.graph.sources}

    def slope(self, rule: str) -> Tensor:
        """Return the a of ``a x + c`` for each value that is read: 0 where it is of no input."""
        return self._pushed({end: torch.ones_like(x) for end, x in self._inputs(rule).items()})

    def margins(self, rule: str, low: float | Tensor, high: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return how far each value that is read lies above its lowest, and, negative, below its highest."""
        inputs, both = self._inputs(rule), []
        for bound, sign in ((low, 1), (high, -1)):
            margins = {end: x - torch.as_tensor(bound, dtype=x.dtype, device=x.device) for end, x in inputs.items()}
            for end, x in inputs.items():
                if bool((sign * margins[end] < 0).any()):
                    raise RelevanceError(
                        f"{rule}: inputs reach from {x.min():g} to {x.max():g}, outside the bounds given; name bounds "
                        "that hold for the model's input"
                    )
            both.append(self._pushed(margins))
        return torch.maximum(*both), torch.minimum(*both)

    def deliver(self, r: Tensor, rule: str) -> dict[Edge, Tensor]:
        """Return the relevance of each input, given that of what is read."""
        slope = self.slope(rule)
        r = torch.where(slope == 0, 0.0, r / slope.masked_fill(slope == 0, 1.0))
        return {end: r.to(self.graph.sources[end].dtype) for end, r in self._pulled(r).items()}
