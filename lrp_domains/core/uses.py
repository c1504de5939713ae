"""What gates and scales are used for: to multiply a signal, or to be a signal themselves.

Each value that reaches an input has a rank. A *signal* is a layer's result or an activation's, a *gate* comes from a
sigmoid or an exp, a *scale* from a norm's or a distance's statistic; what is made of gates and scales alone, by sums,
rearrangements, selections, scalings and products, ranks as the highest of them. In a product the highest takes all:
what is outranked multiplies and is constant, what is not is as much a gate as the product is. So a product of two
sigmoids that feeds a layer is a feature, not two constants, and no branch of a network is lost between its gates.
"""

from __future__ import annotations

from enum import IntEnum

import torch

from .attention import VALUE
from .checkpoints import unpacking
from .graph import VIEWS, Edge, Graph, Node
from .operations import PIECEWISE, operation

# How far back a constant is followed to see whether a layer made it.
LONGEST = 40
# Activations among what is linear piece by piece; the others select.
_SELECTIONS = PIECEWISE - {"Relu", "LeakyRelu", "PreluKernel", "RreluWithNoise", "Threshold", "Abs"}


class Rank(IntEnum):
    SCALE = 0
    GATE = 1
    SIGNAL = 2


class Use(IntEnum):
    """What a value is used for; the highest of its uses counts."""

    SCALED = 0  # by a constant that may be a signal, such as the state before a recurrent layer's first step
    MULTIPLIES = 1
    ADDED = 2  # to a signal, as it is
    FEATURE = 3


def only_multiplies(edge: Edge, graph: Graph) -> bool:
    """Whether all that a value does is to multiply or divide something else that carries relevance."""
    return graph.once(_uses).get(edge) == Use.MULTIPLIES


def rank(edge: Edge, graph: Graph) -> Rank:
    """The rank of a value that reaches an input."""
    return _rank_in(graph.once(_ranks), edge, graph)


def _rank_in(ranks: dict[Node, Rank], edge: Edge, graph: Graph) -> Rank:
    is_mean = edge[1] == 1 and operation(edge[0].name()).base in ("VarMean", "StdMean")
    return Rank.SIGNAL if is_mean or edge in graph.sources else ranks[edge[0]]


def _ranks(graph: Graph) -> dict[Node, Rank]:
    """Inputs first, so that a node's children are known before it."""
    ranks: dict[Node, Rank] = {}
    for node in graph.order:
        if node in graph.reaches:
            made_of, edges = _made_of(node, graph), node.next_functions
            if not isinstance(made_of, Rank):
                made_of = max(_rank_in(ranks, edges[slot], graph) for slot in made_of)
            ranks[node] = made_of
    return ranks


def _made_of(node: Node, graph: Graph) -> Rank | list[int]:
    """The rank of a node's value, or the slots whose ranks it has."""
    op = operation(node.name())
    slots = [slot for slot, reaches in enumerate(graph.reaching(node)) if reaches]
    if op.kind == "gate":
        return Rank.GATE
    if op.kind in ("statistic", "softmax") or (op.kind == "power" and node._saved_exponent < 0):
        return Rank.SCALE
    if op.kind == "division":
        return [slot for slot in slots if slot not in op.factors] or Rank.SCALE
    if op.kind in ("linear", "running_product") or op.base in _SELECTIONS or op.base == "Mul":
        return slots
    if op.kind == "product" and len(slots) > 1 and all(slot in op.factors for slot in slots):
        return slots
    return Rank.SIGNAL


def _uses(graph: Graph) -> dict[Edge, Use]:
    """The uses of gates and scales. Outputs first, so that what becomes of a node's value is known before the uses of
    what it was made of."""
    ranks, uses, of_node = graph.once(_ranks), {}, {}
    for node in reversed(graph.order):
        if node not in graph.reaches:
            continue
        becomes = of_node.get(node, Use.FEATURE)  # nothing uses the output
        op = operation(node.name())
        if ranks[node] == Rank.SIGNAL or op.kind == "softmax":
            becomes = Use.FEATURE
        if becomes == Use.ADDED and op.base not in VIEWS | {"Mul"}:
            becomes = Use.FEATURE
        for slot, edge in enumerate(node.next_functions):
            if graph.leads_to_source(edge) and _rank_in(ranks, edge, graph) < Rank.SIGNAL:
                use = _use(node, slot, becomes, graph)
                uses[edge] = max(use, uses.get(edge, Use.SCALED))
                of_node[edge[0]] = max(use, of_node.get(edge[0], Use.SCALED))
    return uses


def _use(node: Node, slot: int, becomes: Use, graph: Graph) -> Use:
    """What a node uses the value at a slot for, if its own value is used as ``becomes``."""
    op, reaching = operation(node.name()), graph.reaching(node)
    if op.base in ("Add", "Sub", "Rsub") and sum(reaching) == 2:
        is_added = becomes == Use.FEATURE and rank(node.next_functions[1 - slot], graph) == Rank.SIGNAL
        return Use.ADDED if is_added else becomes
    if slot not in op.factors or (op.kind == "attention" and slot == VALUE):
        return becomes
    others = [other for other, reaches in enumerate(reaching) if reaches and other != slot]
    if op.kind == "division":
        return Use.MULTIPLIES if others or op.base != "Div" else becomes  # c / x is a scale like 1 / x
    partners = [other for other in others if other in op.factors]
    if not partners:
        return _use_with_constant(node, slot, becomes, graph) if op.base == "Mul" else becomes
    mine = rank(node.next_functions[slot], graph)
    outranked = any(rank(node.next_functions[other], graph) > mine for other in partners)
    return Use.MULTIPLIES if outranked else becomes


def _use_with_constant(product: Node, slot: int, becomes: Use, graph: Graph) -> Use:
    """The use of a value that is multiplied by a constant.

    The gates of a GRU are gates also in its first step, where the state they multiply is no carrier: a tensor of full
    shape, made of parameters by a layer or not in the graph at all, and the product is added to a signal. A parameter
    itself, a mask of zeros and ones, or what is broadcast may be either: what else the value does decides.
    """
    if becomes != Use.ADDED:
        return becomes
    shape, constant = tuple(product._input_metadata[0].shape), product.next_functions[1 - slot]
    if constant[0] is not None:
        full = tuple(constant[0]._input_metadata[constant[1]].shape) == shape
        return Use.MULTIPLIES if full and _is_of_a_layer(constant) else Use.SCALED
    name = "self" if slot else "other"
    if unpacking(product, name) is not None:
        return Use.SCALED  # recomputed at each look: not for a plan
    partner = getattr(product, f"_saved_{name}")
    if not isinstance(partner, torch.Tensor) or partner.ndim == 0:
        return becomes
    whole = partner if partner._base is None else partner._base
    if len(shape) < 2 or tuple(partner.shape) != shape or isinstance(whole, torch.nn.Parameter):
        return Use.SCALED
    return Use.SCALED if bool(((partner == 0) | (partner == 1)).all()) else Use.MULTIPLIES


def _is_of_a_layer(edge: Edge) -> bool:
    """Whether a matrix product or a convolution stands somewhere behind an edge."""
    pending, seen = [edge[0]], set()
    while pending:
        node = pending.pop()
        op = operation(node.name())
        if (op.kind == "product" and op.base != "Mul") or len(seen) > LONGEST:
            return True
        seen.add(node)
        pending += [child for child, _ in node.next_functions if child is not None and child not in seen]
    return False
