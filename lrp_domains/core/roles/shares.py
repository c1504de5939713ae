"""The shares of the factors of products: each of N factors gets 1/N, however the product is bracketed.

A product counts as many factors as its open factors do, also through what is linear: in ``(a b) c`` the product ``a b``
counts two and gets two thirds. A layer's result, an activation's, a softmax's, a sum of products of unlike degree
counts one. ``softmax(Q K) V`` stays a quarter, a quarter, a half.

Factors of one origin are one factor: ``(a b) sigmoid(a)`` is ``silu(a) b``. Where they stand in different brackets, the
nested product is resolved into its factors, which get their shares directly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from ..graph.graph import Edge, Graph
from ..graph.operations import COPIES
from ..graph.saved import dimension, has, read
from ..graph.weights import layers
from ..rule import Node, Rule, Slots
from .pieces import pieces
from .roles import CLAMPS, Rank, Roles, Value
from .softmaxes import softmaxes

# Of how many factors a nested product is resolved.
MOST_FACTORS = 12
_PASSING = frozenset(
    "linear norm batch_norm product scaling reduction attention in_place interpolation piecewise statistic".split()
)
QUERY, KEY, VALUE = range(3)  # the slots of an attention


@dataclass(frozen=True)
class ProductRule(Rule):
    """A rule of products; factors of rank ``least`` and above are equals."""

    least: Rank = Rank.SIGNAL


@dataclass(frozen=True)
class Factor:
    """A factor of a nested product: its edge, the slot and the way to it, and whether it is divided by."""

    edge: Edge
    slot: int
    way: tuple[tuple[Edge, int], ...] = ()
    is_inverse: bool = False


@dataclass(frozen=True)
class Shares:
    """The shares of all products.

    Attributes
    ----------
    carries
        Where relevance may flow.
    of
        For each product of several open factors: the share of each, by slot.
    nested
        For products that were resolved: their factors that get something, with the share.
    """

    carries: dict[Node, Slots]
    of: dict[Node, dict[int, float]] = field(default_factory=dict)
    nested: dict[Node, list[tuple[Factor, float]]] = field(default_factory=dict)


def taker(values: list[Value]) -> int | None:
    """Return which of the factors of ``x h(x)`` takes all: the first that is linear, else that is 0 at the origin's 0.

    This is the identity rule for the whole product: GPT-2's ``gelu_new``, swish, mish. None if no factor is 0 there.
    """
    for wanted in ("is_linear", "is_pure"):
        for index, value in enumerate(values):
            if getattr(value, wanted):
                return index
    return None


def ranks_of(node: Node, graph: Graph, carrying: Slots) -> list[Rank | None]:
    """Return the ranks of the factors that carry."""
    roles, inverse = graph.once(Roles), graph.operations[node].base == "Div"
    return [
        roles.rank(edge, inverse=inverse and index == 1) if carries else None
        for index, (edge, carries) in enumerate(zip(roles.factors(node), carrying, strict=True))
    ]


def count_shares(graph: Graph, carries: dict[Node, Slots], chosen: dict[Node, Rule | None]) -> Shares:
    """Return the shares of all products, given where relevance may flow."""
    counts: dict[Node, int] = {}
    of_exps: dict[Node, float] = {}  # what share of a value's relevance the exponentials of a softmax have
    shares, parts, roles, whole = Shares(carries), graph.once(softmaxes), graph.once(Roles), graph.once(pieces)

    def count(edge: Edge) -> int:
        edge = whole.get(edge, edge)
        if edge in graph.sources or (
            edge[1] == 0 and edge[0] in counts and graph.operations[edge[0]].kind == "statistic"
        ):
            return 1
        return counts.get(edge[0], 1)

    known = graph.once(layers)
    for node, slots in carries.items():
        op, edges = graph.operations[node], graph.edges[node]
        if not (op.kind in _PASSING or op.base in CLAMPS) or True not in slots or node in known:
            continue
        several = op.kind == "attention" or (op.kind == "product" and (len(edges) == 1 or len(graph.carried[node]) > 1))
        if not several:
            for edge in edges:
                if edge[0] in counts or edge[0] in of_exps:
                    break
            else:
                continue  # it counts one
        is_open = [slot for slot, carried in enumerate(slots) if carried]
        passed = [of_exps[edges[slot][0]] for slot in is_open if edges[slot][0] in of_exps]
        if passed:
            of_exps[node] = passed[0]
        factors = [slot for slot in op.factors if slot in is_open] if op.kind == "product" else []
        if op.kind == "attention":
            shares.of[node], counts[node] = _of_attention(is_open, edges, count)
        elif op.base in ("Prod", "Cumprod"):
            shares.of[node], counts[node] = _of_running_product(node, graph, chosen, count)
        elif node in parts.parts and len(factors) == 2:
            below = 1 if op.base == "Div" or edges[0][0] in of_exps else 0
            shares.of[node] = {below: of_exps.get(edges[1 - below][0], 1.0)}
            counts[node] = count(edges[1 - below])
        elif (
            op.base in ("Mul", "Div")
            and len(graph.carried[node]) > 1
            and (resolved := _resolved(node, graph, carries, chosen, count)) is not None
        ):
            shares.nested[node], counts[node] = resolved
        elif len(factors) > 1 and roles.together(node):
            shares.of[node] = dict.fromkeys(factors, 0.5)
            counts[node] = 1
        elif len(factors) > 1:
            masses = {slot: parts.masses.get(edges[slot][0]) for slot in factors}
            weighted = [slot for slot, mass in masses.items() if mass is None or mass.is_weighted]
            is_one = all(masses.values()) and frozenset.intersection(*(mass.scores for mass in masses.values()))
            if len(weighted) < len(factors) and is_one:  # the exponentials of one softmax
                own = of_exps.get(edges[weighted[0]][0], 1.0) if weighted else 1.0
                shares.of[node] = {slot: 1.0 if slot in weighted else own for slot in factors}
                counts[node] = count(edges[weighted[0]]) if weighted else 1
                continue
            total = sum(count(edges[slot]) for slot in factors)
            shares.of[node] = {slot: count(edges[slot]) / total for slot in factors}
            for slot in factors:
                if slot not in weighted:
                    of_exps[node] = shares.of[node][slot]
            counts[node] = _of_sum(node, is_open, graph, count, dict.fromkeys(factors, total))
        elif op.kind != "product" or not roles.together(node):
            counts[node] = _of_sum(node, is_open, graph, count)
        is_activation = op.kind != "statistic" and not roles.of((node, 0)).is_affine
        if is_activation or counts.get(node, 1) == 1:  # an activation counts one
            counts.pop(node, None)
    return shares


def _of_attention(
    is_open: list[int], edges: tuple[Edge, ...], count: Callable[[Edge], int]
) -> tuple[dict[int, float], int]:
    """The shares of a fused attention: its weights are one factor, the values as many as they are made of."""
    of_values = count(edges[VALUE]) if VALUE in is_open else 0
    of_scores = sum(count(edges[slot]) for slot in (QUERY, KEY) if slot in is_open)
    total = of_values + any(slot != VALUE for slot in is_open)
    shares = dict.fromkeys(is_open, 1 / total)
    for slot in {QUERY, KEY, VALUE} & shares.keys():
        shares[slot] *= of_values if slot == VALUE else count(edges[slot]) / of_scores
    return shares, total


def _of_running_product(
    node: Node, graph: Graph, chosen: dict[Node, Rule | None], count: Callable[[Edge], int]
) -> tuple[dict[int, float], int]:
    """The shares of the factors along a dimension, if they are known each by itself, and how many there are."""
    roles, rule = graph.once(Roles), chosen[node]
    factors = [Factor(edge, slot) for slot, edge in enumerate(roles.factors(node)) if graph.leads_to_source(edge)]
    if factors and isinstance(rule, ProductRule):
        taking, total = divide(factors, graph, rule.least, count)
        return dict.fromkeys(range(len(roles.factors(node))), 0.0) | {f.slot: share for f, share in taking}, total
    shape = read(node, "self").shape
    return {}, shape[dimension(read(node, "dim"), len(shape))] if has(node, "dim") else shape.numel()


def _of_sum(
    node: Node,
    is_open: list[int],
    graph: Graph,
    count: Callable[[Edge], int],
    factors: dict[int, int] = MappingProxyType({}),
) -> int:
    """The count of a sum: that of its summands of the highest rank, one if they differ.

    Of a product that adds, ``factors`` are the slots that are multiplied, with their count.
    """
    edges = graph.edges[node]
    by_slot = {slot: factors.get(slot) or count(edges[slot]) for slot in is_open}
    if len(set(by_slot.values())) > 1:  # a gate that is added to a product, as before the first step of a recurrence
        ranks = {slot: graph.once(Roles).rank(edges[slot]) for slot in is_open}
        of_product = max((ranks[slot] for slot in factors), default=None)
        ranks |= dict.fromkeys(factors, of_product)
        by_slot = {slot: n for slot, n in by_slot.items() if ranks[slot] == max(ranks.values())}
    found = set(by_slot.values())
    return found.pop() if len(found) == 1 else 1


# ---- Nested products with factors of one origin in different brackets


def _resolved(
    node: Node, graph: Graph, carries: dict[Node, Slots], chosen: dict[Node, Rule | None], count: Callable[[Edge], int]
) -> tuple[list[tuple[Factor, float]], int] | None:
    """The factors of a nested product that take part, with their shares, and how many there are."""
    rule, roles = chosen[node], graph.once(Roles)
    if not isinstance(rule, ProductRule) or roles.together(node):
        return None
    factors = _flattened(node, graph, carries, frozenset())
    origins = {roles.origin(factor.edge) for factor in factors}
    # A product that another factor is a function of, u in u (sigmoid(u) c), is one factor.
    if whole := origins & {edge for factor in factors for edge, _ in factor.way}:
        factors = _flattened(node, graph, carries, frozenset(whole))
        origins = {roles.origin(factor.edge) for factor in factors}
    if len(factors) < 3 or len(origins) == len(factors):
        return None
    return divide(factors, graph, rule.least, count)


def divide(
    factors: list[Factor], graph: Graph, least: Rank, count: Callable[[Edge], int]
) -> tuple[list[tuple[Factor, float]], int]:
    """Return the factors of a product that get something, with their shares, and how many factors they count.

    Functions of one origin are one factor, of which `taker` gets the share.
    """
    roles = graph.once(Roles)
    groups: dict[object, list[Factor]] = defaultdict(list)
    for factor in factors:
        groups[roles.origin(factor.edge)].append(factor)
    ranks = {origin: _rank(group, roles) for origin, group in groups.items()}
    top = min(max(ranks.values()), least)
    taking = []
    for origin, group in groups.items():
        if ranks[origin] >= top or ranks[origin] == Rank.PROBABILITY:
            direct = [factor for factor in group if not factor.is_inverse]
            index = taker([roles.seen(factor.edge) for factor in direct])
            taking.append((group[0], count(group[0].edge)) if len(group) == 1 else (direct[index or 0], 1))
    total = sum(n for _, n in taking)
    return [(factor, n / total) for factor, n in taking], total


def _rank(group: list[Factor], roles: Roles) -> Rank:
    """The rank of a product of functions of one origin."""
    if len(group) == 1:
        return roles.rank(group[0].edge, inverse=group[0].is_inverse)
    return roles.rank_of_product([(factor.edge, factor.is_inverse) for factor in group])


def _flattened(node: Node, graph: Graph, carries: dict[Node, Slots], whole: frozenset[object]) -> list[Factor]:
    """The factors that carry of what a product multiplies; some products are left whole."""
    found, roles, parts = [], graph.once(Roles), graph.once(softmaxes).parts
    is_div = graph.operations[node].base == "Div"
    pending = [Factor(graph.edges[node][slot], slot, (), is_div and slot == 1) for slot in (0, 1)]
    while pending:
        if len(found) + len(pending) > MOST_FACTORS:
            return []  # a running product is not resolved
        factor = pending.pop()
        child = factor.edge[0]
        if factor.edge in graph.sources or child not in graph.reaching:
            found += [factor] if factor.edge in graph.sources else []
            continue
        op, reaching = graph.operations[child], graph.carried[child]
        is_product = op.base in ("Mul", "Div") and child not in parts and factor.edge not in whole
        if not (is_product or op.base in COPIES or op.base in ("Neg", "Scale")) or roles.together(child):
            found += [factor] if True in carries.get(child, ()) else []
            continue
        for s in reaching:
            inverse = factor.is_inverse != (op.base == "Div" and s == 1)
            pending.append(Factor(graph.edges[child][s], factor.slot, (*factor.way, (factor.edge, s)), inverse))
    return found
