"""Functions of one tensor packed with constants: ``logsumexp([x, 0])`` is a softplus, ``softmax([x, 0])`` a sigmoid.

An operation along a stack in which only one tensor carries is an elementwise function of that tensor, and follows the
identity rule: ``g_x = g_y (f([x, c]) - f([0, c])) / x``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from ..graph.functions import wide
from ..graph.graph import Edge, Graph, Node, shape_of
from ..graph.saved import dimension, has, read
from ..rule import Grads, Rule, Slots

Tensor = torch.Tensor

# The operations along a stack, as functions of its values and of the node, which holds the dimensions.
FOLDS: dict[str, Callable[[Tensor, Node], Tensor]] = {
    "Logsumexp": lambda t, node: torch.logsumexp(t, _dims(node, t.ndim), read(node, "keepdim")),
    "LinalgVectorNorm": lambda t, node: torch.linalg.vector_norm(
        t, read(node, "ord"), _dims(node, t.ndim), read(node, "keepdim")
    ),
    "Amax": lambda t, node: t.amax(_dims(node, t.ndim), read(node, "keepdim")),
    "Amin": lambda t, node: t.amin(_dims(node, t.ndim), read(node, "keepdim")),
    "Abs": lambda t, node: t.abs(),
}


def _dims(node: Node, ndim: int) -> tuple[int, ...]:
    dims = read(node, "dim", None)
    return tuple(dimension(d, ndim) for d in ((dims,) if isinstance(dims, int) else dims or range(ndim)))


def pack_of(node: Node, graph: Graph) -> tuple[Edge, int, int] | None:
    """Return the one value that carries in the stack that a node runs along: its edge, its index and the dimension."""
    edge = graph.edges[node][0]
    if edge in graph.sources or edge[0] not in graph.reaching:
        return None

    pack, op = edge[0], graph.operations[node]
    slots, base = graph.carried[pack], graph.operations[pack].base
    if len(slots) != 1 or len(graph.edges[pack]) < 2:
        return None
    if base == "Complex":  # its absolute value is a norm of two numbers
        return (graph.edges[pack][slots[0]], slots[0], -1) if op.base == "Abs" else None

    ndim = len(shape_of(edge))
    if base != "Stack" or not (op.kind == "softmax" or op.base in (*FOLDS, "Max", "Min")) or not has(node, "dim"):
        return None
    dim = dimension(read(pack, "dim"), ndim)
    return (graph.edges[pack][slots[0]], slots[0], dim) if _dims(node, ndim) == (dim,) else None


def placed(node: Node, graph: Graph, value: Tensor | None) -> Rule | None:
    """Return the identity rule for an operation along a pack; ``value`` is the value that carries in it, if known."""
    _, index, dim = pack_of(node, graph)
    is_softmax = graph.operations[node].kind == "softmax"
    if is_softmax and value is None:
        return None
    run = partial(_run, index, dim, value if is_softmax else None)
    return Rule("identity", backward=partial(_backward, index, dim, run), adds=partial(_at_zero, run))


def _with(t: Tensor, index: int, dim: int, part: Tensor | float) -> Tensor:
    """Return a pack with another tensor at an index."""
    if t.is_complex():
        parts = torch.view_as_real(t).clone()
        parts[..., index] = part
        return torch.view_as_complex(parts)
    t = t.clone()
    t.select(dim, index).copy_(torch.as_tensor(part, dtype=t.dtype, device=t.device))
    return t


def _part(t: Tensor, index: int, dim: int) -> Tensor:
    return torch.view_as_real(t)[..., index] if t.is_complex() else t.select(dim, index)


def _run(index: int, dim: int, x: Tensor | None, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """Return x, which carries in a pack, ``f([x, c])`` and ``f([0, c])``.

    A softmax keeps only its result: the pack follows from that and from x.
    """
    if x is None:
        t = wide(read(node, "self"))
        fold = FOLDS[node.name().partition("Backward")[0]]
        return _part(t, index, dim), fold(t, node), fold(_with(t, index, dim, 0.0), node)
    p = wide(read(node, "result"))
    logits = p.log() - _part(p, index, dim).log().unsqueeze(dim) + x.unsqueeze(dim)
    return x, p, _with(logits, index, dim, 0.0).softmax(dim)


def _backward(index: int, dim: int, run: Callable, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return ``r / x`` at the index of x in the pack, and 0 for the constants."""
    x, y, at_zero = run(node)
    r, zero = (y - at_zero) * go[0], x == 0
    r = r.sum(dim) if r.ndim > x.ndim else r.reshape(x.shape)
    g = torch.where(zero, wide(_part(gi[0], index, dim)), r / x.masked_fill(zero, 1.0))
    return (_with(torch.zeros_like(gi[0]), index, dim, g.to(_part(gi[0], index, dim).dtype)),)


def _at_zero(run: Callable, node: Node, gi: Grads, go: Grads) -> tuple[str, Tensor]:
    """Return the relevance of ``f([0, c])``, for the ledger."""
    return f"{node.name().partition('Backward')[0]} at 0", (run(node)[2] * go[0]).double().sum()
