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

from ..graph.graph import Edge, Graph
from ..graph.operations import COPIES
from ..graph.saved import dimension, has, read
from ..graph.weights import layers
from ..rule import Node, Rule, Slots
from .roles import Rank, Roles, Value
from .softmaxes import softmaxes

# Of how many factors a nested product is resolved.
MOST_FACTORS = 12
_PASSING = frozenset(("linear", "norm", "batch_norm", "product", "scaling", "reduction"))


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
    shares, parts, roles = Shares(carries), graph.once(softmaxes), graph.once(Roles)

    def count(edge: Edge) -> int:
        return 1 if edge in graph.sources else counts.get(edge[0], 1)

    known = graph.once(layers)
    for node, slots in carries.items():
        op, edges = graph.operations[node], graph.edges[node]
        if op.kind not in _PASSING or True not in slots or node in known:
            continue
        if op.kind != "product" or (len(edges) > 1 and len(graph.carried[node]) == 1):
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
        if op.base in ("Prod", "Cumprod"):
            counts[node] = 1 if roles.together(node) else _entries(node)
        elif node in parts.parts and len(factors) == 2:
            below = 1 if op.base == "Div" or edges[0][0] not in of_exps else 0
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
        elif len(factors) > 1:
            masses = {slot: parts.masses.get(edges[slot][0]) for slot in factors}
            weighted = [slot for slot, mass in masses.items() if mass is None or mass.is_weighted]
            if len(weighted) < len(factors) and all(masses.values()):  # the exponentials of one softmax
                own = of_exps.get(edges[weighted[0]][0], 1.0) if weighted else 1.0
                shares.of[node] = {slot: 1.0 if slot in weighted else own for slot in factors}
                counts[node] = count(edges[weighted[0]]) if weighted else 1
                continue
            counts[node] = sum(count(edges[slot]) for slot in factors)
            shares.of[node] = {slot: count(edges[slot]) / counts[node] for slot in factors}
            for slot in factors:
                if slot not in weighted:
                    of_exps[node] = shares.of[node][slot]
        elif (n := _of_sum(node, is_open, graph, count)) != 1:
            counts[node] = n
    return shares


def _entries(node: Node) -> int:
    """How many factors a running product has."""
    shape = read(node, "self").shape
    return shape[dimension(read(node, "dim"), len(shape))] if has(node, "dim") else shape.numel()


def _of_sum(node: Node, is_open: list[int], graph: Graph, count: Callable[[Edge], int]) -> int:
    """The count of a sum: that of its summands of the highest rank, one if they differ."""
    edges = graph.edges[node]
    found = {count(edges[slot]) for slot in is_open}
    if len(found) > 1:  # a gate that is added to a product, as before the first step of a recurrence
        ranks = {slot: graph.once(Roles).rank(edges[slot]) for slot in is_open}
        found = {count(edges[slot]) for slot in is_open if ranks[slot] == max(ranks.values())}
    return found.pop() if len(found) == 1 else 1


# ---- Nested products with factors of one origin in different brackets


def _resolved(
    node: Node, graph: Graph, carries: dict[Node, Slots], chosen: dict[Node, Rule | None], count: Callable[[Edge], int]
) -> tuple[list[tuple[Factor, float]], int] | None:
    """The factors of a nested product that take part, with their shares, and how many there are."""
    rule, roles = chosen[node], graph.once(Roles)
    if not isinstance(rule, ProductRule) or roles.together(node):
        return None
    factors = [factor for slot in (0, 1) for factor in _flattened(node, slot, graph, carries)]
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


def _flattened(node: Node, slot: int, graph: Graph, carries: dict[Node, Slots]) -> list[Factor]:
    """The factors that carry of what stands at a slot of a product."""
    found, roles, parts = [], graph.once(Roles), graph.once(softmaxes).parts
    pending = [Factor(graph.edges[node][slot], slot, (), graph.operations[node].base == "Div" and slot == 1)]
    while pending:
        if len(found) + len(pending) > MOST_FACTORS:
            return []  # a running product is not resolved
        factor = pending.pop()
        child = factor.edge[0]
        if factor.edge in graph.sources or child not in graph.reaching:
            found += [factor] if factor.edge in graph.sources else []
            continue
        op, reaching = graph.operations[child], graph.carried[child]
        is_product = op.base in ("Mul", "Div") and child not in parts
        if not (is_product or op.base in COPIES or op.base in ("Neg", "Scale")) or roles.together(child):
            found += [factor] if True in carries.get(child, ()) else []
            continue
        for s in reaching:
            inverse = factor.is_inverse != (op.base == "Div" and s == 1)
            pending.append(Factor(graph.edges[child][s], slot, (*factor.way, (factor.edge, s)), inverse))
    return found
