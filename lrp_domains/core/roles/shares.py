"""The shares of the factors of products: each of N factors gets 1/N, however the product is bracketed.

A product counts as many factors as its open factors together, also through linear operations (counts.py): in ``(a b)
c`` the product ``a b`` counts two and gets two thirds; the shares in ``softmax(Q K) V`` are a quarter, a quarter, a
half. Factors of one origin are one factor, also in different brackets (nested.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import RelevanceError
from ..graph.graph import Edge, Graph, Node
from ..graph.operations import KEY, QUERY, VALUE
from ..graph.saved import dimension, has, read
from ..rule import Rule, Slots
from .counts import Counts
from .factors import factors_of
from .forms import Rank
from .nested import Factor, divide, resolved
from .roles import Roles
from .softmaxes import softmaxes


@dataclass(frozen=True)
class ProductRule(Rule):
    """A rule for products; factors of rank ``least`` and above are equals.

    Functions of one tensor are one factor, which follows the identity rule or, if ``keeps_derivative``, its derivative.
    """

    least: Rank = Rank.SIGNAL
    keeps_derivative: bool = False


@dataclass(frozen=True)
class Shares:
    """The shares of all products.

    Attributes
    ----------
    carries
        The slots to which relevance may flow, by node.
    of
        For each product of several open factors, the share of each by slot; for a product along a dimension, by index.
    nested
        For each product that was resolved, the factors that get relevance, with their shares.
    """

    carries: dict[Node, Slots]
    of: dict[Node, dict[int, float]] = field(default_factory=dict)
    nested: dict[Node, list[tuple[Factor, float]]] = field(default_factory=dict)


def ranks_of(node: Node, graph: Graph, carrying: Slots) -> list[Rank | None]:
    """Return the rank of each factor that carries, None for the others."""
    roles, inverse = graph.once(Roles), graph.operations[node].base == "Div"
    return [
        roles.rank(edge, inverse=inverse and index == 1) if carries else None
        for index, (edge, carries) in enumerate(zip(factors_of(node, graph), carrying, strict=True))
    ]


def count_shares(graph: Graph, carries: dict[Node, Slots], chosen: dict[Node, Rule | None]) -> Shares:
    """Return the shares of all products, given the slots to which relevance may flow."""
    shares, counts = Shares(carries), Counts(graph, carries)
    for node, slots in carries.items():  # inputs first: the factors of a product are counted before the product
        op = graph.operations[node]
        if True not in slots:
            continue
        if op.kind not in ("product", "attention"):
            counts.pass_on(node)
            continue

        open_slots = [slot for slot, carried in enumerate(slots) if carried]
        if op.kind == "attention":
            shares.of[node], n = _of_attention(open_slots, graph.edges[node], counts)
            counts.put(node, n, None)
        elif op.base in ("Prod", "Cumprod"):
            shares.of[node], n = _of_running_product(node, graph, chosen[node], counts)
            counts.put(node, n, None)
        elif len(graph.carried[node]) == 1:
            counts.pass_on(node)
        else:
            _add_product(node, open_slots, graph, chosen[node], shares, counts)
    return shares


def _add_product(
    node: Node, open_slots: list[int], graph: Graph, rule: Rule | None, shares: Shares, counts: Counts
) -> None:
    """Add the shares of one product, and its count."""
    op, edges, written_out = graph.operations[node], graph.edges[node], graph.once(softmaxes)
    of_exps = counts.of_exps(node, open_slots)
    factors = [slot for slot in op.factors if slot in open_slots]

    if node in written_out.parts and len(factors) == 2:  # the division of a softmax, by the sum of its exponentials
        below = 1 if op.base == "Div" or counts.of_exps(node, [0]) is not None else 0
        shares.of[node] = {below: counts.of_exps(node, [1 - below]) or 1.0}
        counts.put(node, counts.of(edges[1 - below]), of_exps)

    elif graph.once(Roles).together(node):  # functions of one origin are one factor
        if len(factors) > 1 and not (isinstance(rule, ProductRule) and rule.keeps_derivative):
            shares.of[node] = dict.fromkeys(factors, 0.5)
        counts.put(node, 1, of_exps)

    elif (
        op.base in ("Mul", "Div")
        and isinstance(rule, ProductRule)
        and (divided := resolved(node, graph, shares.carries, rule.least, counts, rule.keeps_derivative)) is not None
    ):
        shares.nested[node], n = divided
        counts.put(node, n, of_exps)

    elif len(factors) < 2:
        counts.put(node, counts.of_sum(node, open_slots), of_exps)

    else:
        masses = {slot: written_out.masses.get(edges[slot][0]) for slot in factors}
        weighted = [slot for slot, mass in masses.items() if mass is None or mass.is_weighted]
        common = all(masses.values()) and frozenset.intersection(*(mass.scores for mass in masses.values()))
        if len(weighted) < len(factors) and common:  # the exponentials of one softmax, which rescale one another
            of_weighted = counts.of_exps(node, weighted[:1]) or 1.0
            shares.of[node] = {slot: 1.0 if slot in weighted else of_weighted for slot in factors}
            counts.put(node, counts.of(edges[weighted[0]]) if weighted else 1, of_exps)
            return

        total = sum(counts.of(edges[slot]) for slot in factors)
        shares.of[node] = {slot: counts.of(edges[slot]) / total for slot in factors}
        unweighted = [shares.of[node][slot] for slot in factors if slot not in weighted]
        n = counts.of_sum(node, open_slots, dict.fromkeys(factors, total))
        counts.put(node, n, unweighted[-1] if unweighted else of_exps)


def _of_attention(open_slots: list[int], edges: tuple[Edge, ...], counts: Counts) -> tuple[dict[int, float], int]:
    """Return the shares of a fused attention, and its count: the weights are one factor, the values bring theirs."""
    of_values = counts.of(edges[VALUE]) if VALUE in open_slots else 0
    of_scores = sum(counts.of(edges[slot]) for slot in (QUERY, KEY) if slot in open_slots)
    total = of_values + any(slot != VALUE for slot in open_slots)
    shares = dict.fromkeys(open_slots, 1 / total)
    for slot in {QUERY, KEY, VALUE} & shares.keys():
        shares[slot] *= of_values if slot == VALUE else counts.of(edges[slot]) / of_scores
    return shares, total


def _of_running_product(node: Node, graph: Graph, rule: Rule | None, counts: Counts) -> tuple[dict[int, float], int]:
    """Return the shares of the factors along a dimension, if they are separate tensors, and how many there are."""
    edges = factors_of(node, graph)
    factors = [Factor(edge, index) for index, edge in enumerate(edges) if graph.leads_to_source(edge)]
    if factors and isinstance(rule, ProductRule):
        origins = {graph.once(Roles).origin(factor.edge) for factor in factors}
        if rule.keeps_derivative and len(origins) < len(factors) and graph.operations[node].base == "Cumprod":
            raise RelevanceError(
                f"{node.name()} multiplies functions of one tensor, which the rule {rule.name!r} has no formula for: "
                "write the products as a * b"
            )
        taking, total = divide(factors, graph, rule.least, counts, rule.keeps_derivative)
        return dict.fromkeys(range(len(edges)), 0.0) | {factor.slot: share for factor, share in taking}, total

    shape = read(node, "self").shape
    return {}, shape[dimension(read(node, "dim"), len(shape))] if has(node, "dim") else shape.numel()
