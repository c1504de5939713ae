"""Linear operations repeated, forward and backward, with only the backward function that autograd recorded."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from . import quantised
from .checkpoints import Rereading
from .functions import wide
from .graph import Edge, Graph, Node, dtype_of, shape_of
from .operations import COPIES, VIEWS, operation_of
from .quantised import PACKINGS
from .questions import values_read
from .saved import read, unpacking

Tensor = torch.Tensor
Values = tuple[Tensor | None, ...]
# Operations whose backward accepts wider numbers than the forward pass had.
_WIDENING = VIEWS | frozenset("Add Sub Rsub Neg Scale Sum Mean Cat Stack ConstantPadNd".split())


def dtype_at(edge: Edge) -> torch.dtype:
    """Return the dtype in which a node takes what arrives at an edge: float32 for half precision, where possible.

    Half precision would overflow where a rule sums terms that cancel in the model. A node that saved tensors requires
    their dtype.
    """
    dtype = dtype_of(edge)
    if operation_of(edge[0]).base not in _WIDENING:
        return dtype
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def handed_back(node: Node, g: Sequence[Tensor | None]) -> Values:
    """Return what a node passes back to its inputs for g at its outputs."""
    values_read()
    g_out = [None if t is None else t.to(dtype_at((node, output))) for output, t in enumerate(g)]
    if operation_of(node).base in PACKINGS:  # the node of a Python Function can't be called
        return quantised.handed_back(node, g_out[0])
    with Rereading().of(node):  # values saved in a checkpoint are read once more
        result = node(*g_out)
    return result if isinstance(result, tuple) else (result,)


def made(node: Node, slot: int, x: Tensor, outputs: Collection[int]) -> Values:
    """Apply a linear operation to x at a slot, for some of its outputs: the transpose of its backward."""
    g_out: list[Tensor | None] = [None] * len(node._input_metadata)
    for output in outputs:
        shape, dtype = shape_of((node, output)), dtype_at((node, output))
        g_out[output] = torch.zeros(shape, dtype=dtype, device=x.device, requires_grad=True)
    with torch.enable_grad():
        g_x = handed_back(node, g_out)[slot]

    # The backward is linear in g, so its derivative there is the transpose, which is the forward operation.
    variables = [g_out[output] for output in outputs]
    result = torch.autograd.grad(g_x, variables, x.to(g_x.dtype).expand_as(g_x), allow_unused=True)
    return tuple(None if y is None else wide(y) for y in result)


def pushed(edge: Edge, slot: int, x: Tensor) -> Tensor:
    """Apply a linear operation to x at a slot, for one of its outputs."""
    node, op = edge[0], operation_of(edge[0])
    if op.base in COPIES:
        return x
    if op.base == "Mul" and unpacking(node, op.tensors[1 - slot]) is None:
        return wide(x * read(node, op.tensors[1 - slot]).detach()).expand(shape_of(edge))
    return made(node, slot, x, (edge[1],))[0]


def pulled(edge: Edge, slot: int, g: Tensor, graph: Graph) -> Tensor:
    """Return what a linear operation passes back to a slot for g at one of its outputs."""
    node = edge[0]
    behind = graph.edges[node][slot] if slot < len(graph.edges[node]) else (None, 0)
    if graph.operations[node].base not in COPIES:
        g_out = (g if output == edge[1] else None for output in range(len(node._input_metadata)))
        g = handed_back(node, list(g_out))[slot]
    if behind in graph.sources:
        return wide(g.sum_to_size(graph.sources[behind].shape))
    return wide(g if behind[0] is None else g.sum_to_size(shape_of(behind)))
