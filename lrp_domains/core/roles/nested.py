"""Nested products with factors of one origin in different brackets, resolved into their factors.

Factors of one origin are one factor, so ``(a b) sigmoid(a)`` is ``silu(a) b``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ..graph.graph import Edge, Graph, Node
from ..graph.operations import COPIES
from ..rule import Slots
from .counts import Counts
from .forms import Rank, Value
from .roles import Roles
from .softmaxes import softmaxes

# The largest number of factors of a nested product that is resolved.
MOST_FACTORS = 12
_PRODUCTS = ("Mul", "Div")


@dataclass(frozen=True)
class Factor:
    """A factor of a nested product: its edge, the slot and the path to it, and whether it is a denominator."""

    edge: Edge
    slot: int
    way: tuple[tuple[Edge, int], ...] = ()
    is_inverse: bool = False


Divided = tuple[list[tuple[Factor, float]], int]


def taker(values: list[Value]) -> int | None:
    """Return the index of the factor of ``x h(x)`` that takes all the relevance.

    This is the first factor that is linear, or else the first that is 0 where the origin is 0, or None. It yields the
    identity rule for the whole product: GPT-2's ``gelu_new``, swish, mish.
    """
    for condition in ("is_linear", "is_pure"):
        for index, value in enumerate(values):
            if getattr(value, condition):
                return index
    return None


def divide(factors: list[Factor], graph: Graph, least: Rank, counts: Counts, keeps_derivative: bool) -> Divided:
    """Return the factors of a product that get relevance, with their shares, and how many factors they count as.

    Functions of one origin are one factor, and its share goes to the one that `taker` chooses or, if it keeps its
    derivative, to each of them.
    """
    roles = graph.once(Roles)
    groups: dict[object, list[Factor]] = defaultdict(list)
    for factor in factors:
        groups[roles.origin(factor.edge)].append(factor)

    ranks = {
        origin: roles.rank_of_product([(factor.edge, factor.is_inverse) for factor in group])
        for origin, group in groups.items()
    }
    top = min(max(ranks.values()), least)

    taking = []
    for origin, group in groups.items():
        if ranks[origin] >= top or ranks[origin] == Rank.PROBABILITY:
            if len(group) == 1:
                taking.append((group, counts.of(group[0].edge)))
            elif keeps_derivative:
                taking.append((group, 1))
            else:
                direct = [factor for factor in group if not factor.is_inverse]
                index = taker([roles.seen(factor.edge) for factor in direct])
                taking.append(([direct[index or 0]], 1))

    total = sum(n for _, n in taking)
    return [(factor, n / total) for group, n in taking for factor in group], total


def resolved(
    node: Node, graph: Graph, carries: dict[Node, Slots], least: Rank, counts: Counts, keeps_derivative: bool
) -> Divided | None:
    """Return the factors of a nested product that get relevance, with their shares, and how many they count as.

    None if no two of them have the same origin.
    """
    if not any(edge[0] in graph.reaching and _is_nesting(edge[0], graph) for edge in graph.edges[node]):
        return None  # the usual case, decided before the roles of the factors are
    roles = graph.once(Roles)
    factors = _flattened(node, graph, carries, frozenset())
    origins = {roles.origin(factor.edge) for factor in factors}

    # A product that is the origin of another factor, such as u in u (sigmoid(u) c), is one factor.
    if whole := origins & {edge for factor in factors for edge, _ in factor.way}:
        factors = _flattened(node, graph, carries, frozenset(whole))
        origins = {roles.origin(factor.edge) for factor in factors}

    if len(factors) < 3 or len(origins) == len(factors):
        return None
    return divide(factors, graph, least, counts, keeps_derivative)


def _is_nesting(node: Node, graph: Graph) -> bool:
    """Return whether the factors of a node's result may be factors of a product of it."""
    base = graph.operations[node].base
    return base in _PRODUCTS or base in COPIES or base in ("Neg", "Scale")


def _flattened(node: Node, graph: Graph, carries: dict[Node, Slots], whole: frozenset[object]) -> list[Factor]:
    """Return the factors of a product, also of products in it, that carry relevance; those in ``whole`` stay whole."""
    factors, roles, parts = [], graph.once(Roles), graph.once(softmaxes).parts
    is_div = graph.operations[node].base == "Div"

    pending = [Factor(graph.edges[node][slot], slot, (), is_div and slot == 1) for slot in (0, 1)]
    while pending:
        if len(factors) + len(pending) > MOST_FACTORS:
            return []  # a running product is not resolved

        factor = pending.pop()
        child = factor.edge[0]
        if factor.edge in graph.sources or child not in graph.reaching:
            factors += [factor] if factor.edge in graph.sources else []
            continue

        op, reaching = graph.operations[child], graph.carried[child]
        is_whole = op.base in _PRODUCTS and (child in parts or factor.edge in whole)
        if not _is_nesting(child, graph) or is_whole or roles.together(child):
            factors += [factor] if True in carries.get(child, ()) else []
            continue

        for slot in reaching:
            inverse = factor.is_inverse != (op.base == "Div" and slot == 1)
            pending.append(Factor(graph.edges[child][slot], factor.slot, (*factor.way, (factor.edge, slot)), inverse))
    return factors
