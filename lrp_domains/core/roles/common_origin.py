"""Values that a node combines and that are functions of one origin, such as both factors of ``u * sigmoid(u)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.graph import Node
from .factors import factors_of
from .forms import CHOICES, SUMS, Form, Value

if TYPE_CHECKING:
    from .roles import Roles

CONTRACTIONS = frozenset(("Bmm", "Mm", "Mv", "Dot"))
_ELEMENTWISE = SUMS | CHOICES | {"Mul", "Addcmul", "Div", "Lerp1"}


def of_one_origin(node: Node, roles: Roles) -> list[Value]:
    """Return the values that a node combines if they are functions of one origin, else an empty list."""
    graph, origins = roles.graph, roles.origins
    op, edges = graph.operations[node], graph.edges[node]
    if op.base in ("Bmm", "Dot") and _is_square(node, roles):
        return [roles.of(edge) for edge in edges]
    if op.base in _ELEMENTWISE:
        combined = edges
    elif op.base == "Prod" or (op.base in CONTRACTIONS and _multiplies_numbers(node, roles)):
        combined = factors_of(node, graph)
    else:
        return []

    values = [roles.of(edge) for edge in combined if graph.leads_to_source(edge)]
    if len(values) < 2:
        return []
    if all(origins.same(value.origin, values[0].origin) for value in values[1:]):
        return [value._replace(origin=values[0].origin) for value in values]

    # Their origins may be sums of one value with constants, such as u and u + 3.
    if roles.before.keys().isdisjoint(value.origin for value in values):
        return []
    chains = [_chain(value, roles) for value in values]
    common = next((u for u in chains[0] if all(u in chain for chain in chains[1:])), None)
    if common is None:
        return []
    lifted = [chain[common] for chain in chains]

    # A function of u + 3 counts as a function of u only next to a factor that takes all.
    pure = op.base in ("Mul", "Addcmul", "Prod") and any(value.is_pure for value in lifted)
    own = [origins.canonical(value.origin) for value in values]
    unlike = any(new.form == Form.UNSEEN and new.origin != old for new, old in zip(lifted, own, strict=True))
    return lifted if pure or not unlike else []


def lifted_origins(node: Node, roles: Roles) -> frozenset[object]:
    """Return the sums with a constant that a node combines with the value that the constant was added to."""
    values = [roles.of(edge) for edge in roles.graph.edges[node] if roles.graph.leads_to_source(edge)]
    origins = {value.origin for value in values}
    return frozenset(origin for origin in origins if origin in roles.before) if len(origins) > 1 else frozenset()


def _is_square(node: Node, roles: Roles) -> bool:
    """Return whether a contraction multiplies each value by itself, row by row, as in ``(d * d).sum(-1)``."""
    graph, origins = roles.graph, roles.origins
    edges = graph.edges[node]
    if len(graph.carried[node]) < 2:
        return False

    left, right = (origins.shape(edge) for edge in edges)
    if graph.operations[node].base == "Bmm" and (left[-2], right[-1]) != (1, 1):
        return False
    return origins.same_in_order(*(roles.of(edge).origin for edge in edges))


def _multiplies_numbers(node: Node, roles: Roles) -> bool:
    """Return whether a contraction is elementwise: it runs over a single value, and repeats none."""
    return roles.origins.shape(roles.graph.edges[node][0])[-1] == 1 and roles.origins.keeps_size(node)


def _chain(value: Value, roles: Roles) -> dict[object, Value]:
    """Return a value as a function of its origin and, if that is a sum with a constant, of what is behind it."""
    origins = roles.origins
    chain = {origins.canonical(value.origin): value}
    while value.origin in roles.before and len(chain) < 4:
        before = roles.before[value.origin]
        form = Form.SHIFTED if value.is_linear and before.is_linear else Form.UNSEEN
        value = Value(before.origin, before.rank, form)
        chain[origins.canonical(value.origin)] = value
    return chain
