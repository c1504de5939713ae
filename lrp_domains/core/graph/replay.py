"""Linear operations carried out anew: forward and backward by what autograd recorded of them, their backward alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from .checkpoints import Rereading
from .functions import wide
from .graph import Edge, Graph, Node, shape_of
from .operations import COPIES, VIEWS, operation
from .saved import read, unpacking

Tensor = torch.Tensor
Values = tuple[Tensor | None, ...]
# Operations whose backward takes wider numbers than the forward pass had.
_WIDENING = VIEWS | frozenset("Add Sub Rsub Neg Scale Sum Mean Cat Stack ConstantPadNd".split())


def dtype_at(edge: Edge) -> torch.dtype:
    """Half precision would overflow where a rule adds up what cancels in the model; what saved tensors needs theirs."""
    dtype = edge[0]._input_metadata[edge[1]].dtype
    if operation(edge[0].name()).base not in _WIDENING:
        return dtype
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def handed_back(node: Node, g: Sequence[Tensor | None]) -> Values:
    """Return what a node hands back to its inputs of g at its outputs."""
    given = [None if t is None else t.to(dtype_at((node, output))) for output, t in enumerate(g)]
    with Rereading().of(node):  # what it saved in a checkpoint is read once more
        result = node(*given)
    return result if isinstance(result, tuple) else (result,)


def made(node: Node, slot: int, x: Tensor, outputs: Collection[int]) -> Values:
    """Return what a linear operation makes of x at a slot, for some of its outputs: the transpose of its backward."""
    of_outputs: list[Tensor | None] = [None] * len(node._input_metadata)
    for output in outputs:
        shape, dtype = shape_of((node, output)), dtype_at((node, output))
        of_outputs[output] = torch.zeros(shape, dtype=dtype, device=x.device, requires_grad=True)
    with torch.enable_grad():
        of_x = handed_back(node, of_outputs)[slot]
    wanted = [of_outputs[output] for output in outputs]
    result = torch.autograd.grad(of_x, wanted, x.to(of_x.dtype).expand_as(of_x), allow_unused=True)
    return tuple(None if y is None else wide(y) for y in result)


def pushed(edge: Edge, slot: int, x: Tensor) -> Tensor:
    """Return what a linear operation makes of x at a slot, at one of its outputs."""
    node, op = edge[0], operation(edge[0].name())
    if op.base in COPIES:
        return x
    if op.base == "Mul" and unpacking(node, op.tensors[1 - slot]) is None:
        return wide(x * read(node, op.tensors[1 - slot]).detach()).expand(shape_of(edge))
    return made(node, slot, x, (edge[1],))[0]


def pulled(edge: Edge, slot: int, g: Tensor, graph: Graph) -> Tensor:
    """Return what a linear operation hands back to a slot of g at one of its outputs."""
    node = edge[0]
    behind = graph.edges[node][slot] if slot < len(graph.edges[node]) else (None, 0)
    if graph.operations[node].base not in COPIES:
        of_outputs = (g if output == edge[1] else None for output in range(len(node._input_metadata)))
        g = handed_back(node, list(of_outputs))[slot]
    if behind in graph.sources:
        return wide(g.sum_to_size(graph.sources[behind].shape))
    return wide(g if behind[0] is None else g.sum_to_size(shape_of(behind)))
