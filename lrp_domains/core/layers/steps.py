"""Steps from a layer's result to its neuron: operations that rearrange, repeat, scale and add, but mix no entries.

Each entry of a step's result is computed from at most one entry of each operand, or is a sum of such entries. The
numbers that a step multiplies by become part of the layer's weights, whose sign matters to the rules; the rest of the
step is applied forward by `push` and backward by `pull`.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import accumulate

import torch

from ..graph.batch_norms import is_fixed
from ..graph.functions import wide
from ..graph.graph import Graph, Node, shape_of
from ..graph.operations import COPIES, RESHAPES, VIEWS
from ..graph.replay import Values, handed_back, made
from ..graph.saved import dimension, keeps, read
from ..roles.roles import Roles

Tensor = torch.Tensor
SUMS = frozenset(("Add", "Sub", "Rsub"))
JOINING = frozenset(("Cat", "Stack"))
MULTIPLYING = frozenset(("Mul", "Div"))
TOTALS = frozenset(("Sum", "Mean"))
SCALING = MULTIPLYING | {"Neg", "Scale"}
_STAYING = COPIES | SUMS | SCALING
_STEPS = VIEWS | SUMS | JOINING | frozenset(
    """Neg Scale Index UnsafeIndex IndexSelect Gather PixelShuffle PixelUnshuffle UpsampleNearest1D UpsampleNearest2D
    UpsampleNearest3D UpsampleNearestExact1D UpsampleNearestExact2D UpsampleNearestExact3D""".split()
)  # fmt: skip


_OF_ALL = COPIES | RESHAPES | SCALING | frozenset("T Transpose Permute Expand Repeat Flip Rot90 Roll".split())


def is_of_all(node: Node, graph: Graph) -> bool:
    """Return whether a step's result has every entry of what it takes in."""
    return graph.operations[node].base in _OF_ALL


def is_step(node: Node, graph: Graph, layers: Collection[Node]) -> bool:
    """Return whether a node only rearranges and adds up the results of layers."""
    base = graph.operations[node].base
    if base in TOTALS:
        return _adds_what_was_joined(node, graph, layers)
    if base in MULTIPLYING:
        return _factor(node, graph) is not None
    return base in _STEPS


def adds_up(node: Node, graph: Graph) -> bool:
    """Return whether a step adds up entries, or adds something to them."""
    return graph.operations[node].base in SUMS | TOTALS | {"Addcmul"} or is_fixed(node, graph)


def adds_layers(node: Node, slots: tuple[int, ...], graph: Graph, layers: Collection[Node]) -> bool:
    """Return whether a node adds up what several layers computed, given the slots at which it takes in such results."""
    if node in layers:
        return True  # the result of another layer in the place of a bias
    base = graph.operations[node].base
    if base in TOTALS:
        return graph.edges[node][0][0] not in layers  # what was joined
    return base in SUMS and len(slots) > 1


def _adds_what_was_joined(node: Node, graph: Graph, layers: Collection[Node]) -> bool:
    """Return whether a sum runs over single entries that were joined, or over the products of a layer."""
    child, op = graph.edges[node][0], graph.operations
    if child[0] in layers:
        return op[child[0]].base == "Mul"
    if child[0] not in graph.reaching or op[child[0]].base not in JOINING:
        return False

    ndim = len(shape_of(child))
    along = dimension(read(child[0], "dim"), ndim)
    parts = (shape_of(edge)[along] for edge in graph.edges[child[0]] if edge[0] is not None)
    singles = op[child[0]].base == "Stack" or (
        shape_of(child)[along] == len(graph.edges[child[0]]) and all(n == 1 for n in parts)
    )
    return singles and [dimension(d, ndim) for d in (read(node, "dim", None) or ())] == [along]


def _factor(node: Node, graph: Graph) -> Tensor | None:
    """Return the number that a product or quotient multiplies or divides by, if it is a single number."""
    op, slots = graph.operations[node], graph.carried[node]
    if len(slots) != 1 or (op.base == "Div" and slots != [0]) or len(graph.edges[node]) < 2:
        return None

    slot = 1 - slots[0]
    if graph.edges[node][slot][0] is not None or not keeps(node, op.tensors[slot]):
        return None
    factor = graph.once(Roles).values.kept(node, op.tensors[slot])
    repeats = shape_of((node, 0)) != shape_of(graph.edges[node][slots[0]])
    return factor if factor.ndim == 0 or (factor.numel() == 1 and not repeats) else None


def number(node: Node, slot: int, graph: Graph) -> float:
    """Return the number by which a step multiplies its input at a slot."""
    op = graph.operations[node]
    if op.base == "Neg":
        return -1.0
    if op.base in SUMS:
        alpha = read(node, "alpha", 1)
        first, second = {"Add": (1, alpha), "Sub": (1, -alpha), "Rsub": (-alpha, 1)}[op.base]
        return float(second if slot else first)
    if op.base in MULTIPLYING:
        factor = _factor(node, graph).item()
        return 1 / factor if op.base == "Div" else factor
    if op.base == "Scale":
        factor = read(node, "other")
        return 1 / float(factor) if node.name().startswith("Div") else float(factor)
    if op.base == "Mean":
        return math.prod(shape_of((node, 0))) / math.prod(shape_of(graph.edges[node][0]))
    return float(read(node, "beta", 1)) if op.kind == "product" else 1.0  # of a layer that adds another's result


def push(node: Node, slot: int, x: Tensor, graph: Graph) -> Values:
    """Apply a step without its number to x at a slot; return all outputs."""
    op = graph.operations[node]
    if _stays(node, graph):
        return (x.expand(shape_of((node, 0))),)
    if op.base in RESHAPES:
        return (x.reshape(shape_of((node, 0))),)
    if op.base in JOINING:
        return (joined(node, {slot: x}, graph),)
    outputs = range(len(node._input_metadata))
    return tuple(None if y is None else y * _count(node, graph) for y in made(node, slot, x, outputs))


def joined(node: Node, parts: dict[int, Tensor], graph: Graph) -> Tensor:
    """Concatenate or stack tensors at some of a node's slots, with 0 at the others."""
    shape, edges = shape_of((node, 0)), graph.edges[node]
    dim, first = dimension(read(node, "dim"), len(shape)), next(iter(parts.values()))
    result = torch.zeros(shape, dtype=first.dtype, device=first.device)

    if graph.operations[node].base == "Stack":
        for slot, x in parts.items():
            result.select(dim, slot).copy_(x.expand(shape[:dim] + shape[dim + 1 :]))
        return result

    # Autograd doesn't keep the sizes of constants, but of one constant it is the size that remains.
    sizes = {slot: shape_of(edge)[dim] for slot, edge in enumerate(edges) if edge[0] is not None}
    hidden = [slot for slot in range(len(edges)) if slot not in sizes]
    if len(hidden) > 1:
        return sum(made(node, slot, x, (0,))[0] for slot, x in parts.items())
    sizes |= {slot: shape[dim] - sum(sizes.values()) for slot in hidden}

    starts = list(accumulate((sizes[slot] for slot in range(len(edges))), initial=0))
    for slot, x in parts.items():
        part = result.narrow(dim, starts[slot], sizes[slot])
        part.copy_(x.expand(part.shape))
    return result


def pull(node: Node, shapes: dict[int, torch.Size], g: Values, graph: Graph) -> Values:
    """Return what a step without its number passes back for g at its outputs, to the slots whose shapes are given."""
    if _stays(node, graph):
        return tuple(g[0].sum_to_size(shape) for shape in shapes.values())
    if graph.operations[node].base in RESHAPES:
        return (g[0].reshape(*shapes.values()),)
    back = handed_back(node, g)
    return tuple(wide(back[slot] * _count(node, graph)) for slot in shapes)


def _stays(node: Node, graph: Graph) -> bool:
    """Return whether a step leaves each entry in its place, or repeats it by broadcasting."""
    op = graph.operations[node]
    return op.base in _STAYING or op.kind in ("product", "batch_norm")


def _count(node: Node, graph: Graph) -> float:
    """Return the factor that turns a mean into a sum, as its number is part of the weights."""
    return 1 / number(node, 0, graph) if graph.operations[node].base == "Mean" else 1.0
