"""Softmaxes written out: exponentials over their sum.

``exp(s - c) / sum(exp(s - c))``, the same after the product with the values, by groups (scatter, gather), in chunks
with running maxima, with a stabiliser or a sink, ``exp(s - logsumexp(s))``, ``1 / sum(exp(s_j - s_i))``, a router's
top probabilities over their sum. In each of these the exponentials get the rule of the softmax, and the division is
part of it.

One sweep finds the *mass* of each value: the exponentials that it is a weighted sum of. A quotient is a softmax if its
denominator is a sum of exponentials and shares scores with the numerator.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from ..graph.elementwise import order_of
from ..graph.graph import Edge, Graph, Node
from ..graph.operations import COPIES, RESHAPES, VIEWS
from ..graph.saved import read
from ..graph.weights import layers
from .origins import equal

_EXPONENTIALS = frozenset(("Exp", "Exp2", "Pow2"))
_REDUCING = frozenset(
    "Sum Mean Cumsum ScatterAdd IndexAdd ScatterReduce SegmentReduce LinalgVectorNorm Norm Mm Bmm".split()
)
_GUARDS = frozenset("Clamp ClampMin Maximum Topk Sort Add Gather Index IndexSelect".split())
_LINKS = VIEWS | frozenset("Gather IndexSelect Index Topk Sort".split())
_SCALED = COPIES | RESHAPES | frozenset("Expand Neg Mul Div Scale".split())
_TO_INVERSE = VIEWS | frozenset(("Mul",))  # autograd records ``1 / x`` as 1 times the inverse


@dataclass(frozen=True)
class Mass:
    """A value that is a sum of exponentials.

    Attributes
    ----------
    scores
        What the exponentials are taken of.
    is_sum
        Whether it sums several entries.
    is_weighted
        Whether the exponentials are weighted by values that carry.
    """

    scores: frozenset[Edge]
    is_sum: bool = False
    is_weighted: bool = False


@dataclass(frozen=True)
class Softmaxes:
    """The softmaxes written out in a graph.

    Attributes
    ----------
    members
        The exponentials.
    parts
        The divisions by their sums and the other operations of a softmax, whose rule is the derivative.
    masses
        The masses of values that belong to a softmax.
    """

    members: set[Node] = field(default_factory=set)
    parts: set[Node] = field(default_factory=set)
    masses: dict[Node, Mass] = field(default_factory=dict)


def softmaxes(graph: Graph) -> Softmaxes:
    """Return the softmaxes written out in a graph."""
    result, masses = Softmaxes(), {}
    exps: dict[Edge, list[Node]] = defaultdict(list)
    for node in graph.of(_EXPONENTIALS):
        exps[_scores(node, graph)].append(node)
        _add_logarithms(result, node, graph)
    if not any(_divides(node, graph) for node in graph.of(("Div", "Reciprocal", "Pow"))):
        return result

    for node in graph.reaching:
        op = graph.operations[node]
        if op.base in ("Div", "Mul", "Reciprocal", "Pow") and masses:
            _add_quotient(result, masses, exps, node, graph)
        if node in result.parts and not result.masses[node].is_weighted:
            masses[node] = Mass(frozenset(((node, 0),)))  # a softmax: its probabilities may be normalised once more
        elif (mass := _mass(node, op, masses, graph)) is not None:
            masses[node] = mass

    if result.members or result.parts:
        result.masses.update({node: mass for node, mass in masses.items() if node not in result.masses})
    return result


def _mass(node: Node, op, masses: dict[Node, Mass], graph: Graph) -> Mass | None:
    """Return the mass of what a node computes from values with the given masses, if it has one."""
    if op.base in _EXPONENTIALS:
        return Mass(frozenset((_scores(node, graph),)))
    if op.kind == "softmax":
        return Mass(frozenset(((node, 0),)))
    if not masses:
        return None

    edges = graph.edges[node]
    behind = [masses.get(edges[slot][0]) if edges[slot] not in graph.sources else None for slot in graph.carried[node]]
    terms = [mass for mass in behind if mass is not None]
    is_product = op.kind == "product" and op.base != "Addcmul"
    if not terms or (len(terms) < len(behind) and not is_product):
        return None

    if op.base == "Div":
        return terms[0] if graph.carried[node] == [0] else None
    norm = op.base in ("LinalgVectorNorm", "Norm") and order_of(node) == 1
    passes = op.kind in ("linear", "reduction") or op.base in _GUARDS or is_product or norm
    if not passes or node in graph.once(layers):
        return None

    scores = frozenset().union(*(mass.scores for mass in terms))
    is_sum = op.base in _REDUCING or any(mass.is_sum for mass in terms) or _adds_unlike(node, scores, graph)
    is_weighted = len(terms) < len(behind) or any(mass.is_weighted for mass in terms)
    return Mass(scores, is_sum, is_weighted)


def _scores(exp: Node, graph: Graph) -> Edge:
    """Return the argument of an exponential."""
    return graph.edges[exp][graph.carried[exp][0]]


def _adds_unlike(node: Node, scores: frozenset[Edge], graph: Graph) -> bool:
    """Return whether the exponentials of several scores are added, not of one, as in a tanh written out."""
    if graph.operations[node].base != "Add":
        return False
    if len({graph.through(edge, _SCALED) for edge in scores}) > 1:
        return True

    # Several parts of one exponential.
    parts = {graph.through(edge, _SCALED) for edge in graph.edges[node]}
    return len(parts) > 1 and all(part in graph.reaching and graph.operations[part].base in VIEWS for part, _ in parts)


def _add_quotient(
    result: Softmaxes, masses: dict[Node, Mass], exps: dict[Edge, list[Node]], node: Node, graph: Graph
) -> None:
    """Add the softmax whose division a node is, if it is one."""
    edges, slots, op = graph.edges[node], graph.carried[node], graph.operations[node]
    if len(slots) == 1:  # a constant over a sum
        below = masses.get(edges[slots[0]][0]) if _is_inverse(node, graph) else None
        if below is not None and below.is_sum and all(_is_difference(scores, graph) for scores in below.scores):
            result.members.update(exp for scores in below.scores for exp in exps[scores])
            result.parts.add(node)
            result.masses[node] = below
        return

    # A quotient, or a product of the numerator with the inverse of the denominator, in either order.
    for above, below in ((0, 1), (1, 0)) if op.base == "Mul" else ((0, 1),):
        edge, inverse = edges[below], None
        if op.base == "Mul":
            inverse = graph.through(edge, _TO_INVERSE)[0]
            if not _is_inverse(inverse, graph):
                continue
            edge = graph.edges[inverse][graph.carried[inverse][0]]

        top, bottom = masses.get(edges[above][0]), masses.get(edge[0])
        if top and bottom and bottom.is_sum and not bottom.is_weighted and _share_scores(top, bottom, graph):
            result.members.update(exp for scores in bottom.scores | top.scores for exp in exps[scores])
            result.parts.update({node} if inverse is None else {node, inverse})
            result.masses[node] = Mass(top.scores, True, top.is_weighted)
            if inverse is not None:
                result.masses[inverse] = bottom


def _divides(node: Node, graph: Graph) -> bool:
    """Return whether a node divides by a value that carries."""
    return _is_inverse(node, graph) or (graph.operations[node].base == "Div" and len(graph.carried[node]) == 2)


def _share_scores(top: Mass, bottom: Mass, graph: Graph) -> bool:
    """Return whether numerator and denominator have exponentials of the same scores, possibly computed twice."""
    return bool(top.scores & bottom.scores) or any(equal(a, b, graph) for a in top.scores for b in bottom.scores)


def _is_inverse(node: Node | None, graph: Graph) -> bool:
    """Return whether a node divides a constant by a value that carries."""
    if node not in graph.reaching:
        return False
    base = graph.operations[node].base
    if base == "Div":
        return graph.carried[node] == [1]
    return base == "Reciprocal" or (base == "Pow" and read(node, "exponent") == -1)


def _is_difference(scores: Edge, graph: Graph) -> bool:
    """Return whether scores are the differences between the entries of one tensor."""
    edge = graph.through(scores)
    if edge in graph.sources or graph.operations[edge[0]].base not in ("Sub", "Rsub"):
        return False
    ends = {graph.through(end) for end in graph.edges[edge[0]] if graph.leads_to_source(end)}
    return len(ends) == 1 and len(graph.carried[edge[0]]) == 2


def _add_logarithms(result: Softmaxes, exp: Node, graph: Graph) -> None:
    """Add ``exp(log_softmax(s))`` and ``exp(s - logsumexp(s))``, where the logsumexp may be written out."""
    edge = graph.through(_scores(exp, graph), _LINKS)
    if edge in graph.sources:
        return

    node, op = edge[0], graph.operations[edge[0]]
    if op.base == "LogSoftmax":
        result.members.add(exp)
        result.parts.add(node)
        result.masses[node] = Mass(frozenset())
    elif op.base == "Sub" and all(graph.reaching[node]):
        scores, log = (graph.through(end, _LINKS) for end in graph.edges[node])
        if log in graph.sources:
            return

        within, inner = log[0], graph.through(graph.edges[log[0]][0], _LINKS)
        if graph.operations[log[0]].base == "Log" and graph.operations[inner[0]].base in _REDUCING:
            within, inner = inner[0], graph.through(graph.edges[inner[0]][0], _LINKS)
            if graph.operations[inner[0]].base in _EXPONENTIALS:
                result.members.add(inner[0])
                inner = graph.through(_scores(inner[0], graph), _LINKS)
        elif graph.operations[log[0]].base != "Logsumexp":
            return

        if inner == scores:
            result.members.add(exp)
            result.parts.update((log[0], within))
            result.masses.update({log[0]: Mass(frozenset()), within: Mass(frozenset())})
