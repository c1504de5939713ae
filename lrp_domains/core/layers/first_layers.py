"""The way from an explained input to the layer that reads it, through padding, scaling and normalisation.

On such a way each value that the layer reads is ``a x + c`` of at most one value of the input, so relevance passes it
as it is, and bounds of the input are bounds of what the layer reads.
"""

from __future__ import annotations

import torch

from ..errors import RelevanceError
from ..graph.functions import wide
from ..graph.graph import Edge, Graph
from ..graph.operations import VIEWS
from ..roles.values import pulled, pushed

Tensor = torch.Tensor
_ONE_TO_ONE = VIEWS | frozenset(
    """Neg Scale Add Sub Rsub Mul Div Cat Stack Im2Col ConstantPadNd ReflectionPad1D ReflectionPad2D ReflectionPad3D
    ReplicationPad1D ReplicationPad2D ReplicationPad3D PixelShuffle PixelUnshuffle ChannelShuffle Index UnsafeIndex
    IndexSelect Gather MaskedFill Where NativeBatchNorm NativeBatchNormLegitNoTraining Deg2Rad Rad2Deg""".split()
)


def way_to_source(edge: Edge, graph: Graph) -> tuple[tuple[tuple[Edge, int], ...], Edge]:
    """Return the steps from an edge to the input behind it, each with its slot, and the edge where they end.

    That is an input, unless something else than padding, scaling and normalisation stands before it.
    """
    steps = []
    while edge not in graph.sources and edge[0] in graph.reaching:
        slots = graph.carried[edge[0]]
        if len(slots) > 1 or graph.operations[edge[0]].base not in _ONE_TO_ONE:
            break
        steps.append((edge, slots[0]))
        edge = graph.edges[edge[0]][slots[0]]
    return tuple(steps), edge


def is_first(edge: Edge, graph: Graph) -> bool:
    """Return whether an edge leads to an explained input that isn't computed from another."""
    _, end = way_to_source(edge, graph)
    return end in graph.sources and end[0] not in graph.reaching


def bounds_at(edge: Edge, x: Tensor, graph: Graph, low: float | Tensor, high: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return bounds of an input as bounds of x, the value at an edge on the way from it."""
    steps, end = way_to_source(edge, graph)
    source = wide(graph.sources[end].detach())
    both = []
    for bound in (low, high):
        of_source = torch.as_tensor(bound, dtype=source.dtype, device=source.device).expand_as(source)
        difference = of_source - source
        if bool((difference > 0).any() if bound is low else (difference < 0).any()):
            raise RelevanceError(
                f"z_box: inputs reach from {source.min():g} to {source.max():g}, outside the bounds given; "
                "name bounds that hold for the model's input"
            )
        for at, slot in reversed(steps):
            difference = pushed(at, slot, difference)
        both.append(x + difference)
    return torch.minimum(*both), torch.maximum(*both)


def deliver(r: Tensor, edge: Edge, graph: Graph, rule: str) -> tuple[Edge, Tensor]:
    """Return the input that relevance at an edge belongs to, and the relevance there."""
    steps, end = way_to_source(edge, graph)
    if end not in graph.sources:
        raise RelevanceError(
            f"the {rule} rule is for a layer that reads an explained input directly; here {end[0].name()} stands before"
        )
    if end[0] in graph.reaching:
        raise RelevanceError(
            f"the {rule} rule is for a first layer, but this one reads an explained tensor that was computed from "
            "another: explain them in two passes"
        )
    source = graph.sources[end]
    scale = torch.ones_like(wide(source.detach()))
    for at, slot in reversed(steps):
        scale = pushed(at, slot, scale)
    r = torch.where(scale == 0, 0.0, r / scale.masked_fill(scale == 0, 1.0))
    for at, slot in steps:
        r = pulled(at, slot, r, graph)
    return end, r.to(source.dtype)
