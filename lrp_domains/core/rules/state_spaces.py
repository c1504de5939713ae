"""The state spaces of Mamba: relevance flows only through the input u and the state h (Jafari et al. 2024).

``h_t = exp(Delta_t A) h_{t-1} + Delta_t B_t u_t`` and ``y_t = C_t h_t + D u_t``. Delta, B and C are computed from the
input too, but count as constant, so that y is linear in u. The skip ``D u`` shows both ends of a state space in the
graph: D multiplies u, and the sum with ``C h`` is y. In each product between u and y the factor computed from u takes
all, whether the scan runs step by step, in chunks or in parallel. A layer's result (Mamba's ``x_proj``) doesn't count
as computed from u, nor does what is split off together with u (Mamba-2's B and C).
"""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

from ..errors import RelevanceError
from ..graph.graph import Edge, Graph
from ..graph.operations import COPIES, RESHAPES, VIEWS
from ..graph.parameters import ParameterNames
from ..graph.weights import weight_slot
from ..rule import Node, Rule, Slots, none_open

if TYPE_CHECKING:
    from .rulesets import RuleSet

state_space = Rule("state space: B, C, Delta constant")
"""For the D of a skip D u: between u and ``y = C h + D u`` relevance flows only through u and h."""

# Allowed between u and its uses: views of all of it, of one step or of one head, but not of a part cut out of it.
_WHOLE = COPIES | RESHAPES | frozenset("T Transpose Permute Expand Repeat Select Unbind ConstantPadNd".split())


def state_spaces(
    chosen: dict[Node, Rule | None], graph: Graph, rules: RuleSet, names: ParameterNames
) -> dict[Node, Rule]:
    """Return the rules of the products in the state spaces whose skips have the rule `state_space`.

    Raises
    ------
    RelevanceError
        A skip isn't visible in the graph, or something between u and y isn't linear in u.
    """
    globs = [glob for glob, rule in rules.overrides if rule is state_space]
    if not globs:
        return {}
    _check_seen(globs, graph, names)

    skips = [node for node, rule in chosen.items() if rule is state_space]
    skipped = [edge for skip in skips for edge in graph.edges[skip] if graph.leads_to_source(edge)]
    inputs = {graph.through(edge, _WHOLE) for edge in skipped}
    of_u: set[Node] = set()
    of_skip = {skip: skip for skip in skips}
    sums: defaultdict[Node, list[Node]] = defaultdict(list)  # y for each skip; one per step if the scan runs by steps

    def is_of_u(edge: Edge) -> bool:
        return edge in inputs or edge[0] in of_u

    # From the inputs up: which nodes are computed from u, and which sums are the y of a skip.
    for node in graph.reaching:
        edges = graph.edges[node]
        skip = next((of_skip[child] for child, _ in edges if child in of_skip), None)
        if skip is not None and graph.operations[node].base in VIEWS:
            of_skip[node] = skip
        elif skip is not None:
            sums[skip].append(node)
        elif node not in of_skip and any(map(is_of_u, edges)) and weight_slot(node, graph) is None:
            of_u.add(node)

    # From each y down to u: in every product the factor computed from u takes all.
    products: dict[Node, Rule] = {}
    for skip in skips:
        last = [child for y in sums[skip] for child, _ in graph.edges[y] if child in of_u]
        if not last:
            raise _no_skip(skip, "it isn't added to what a state space makes of u", graph, names)
        for node in _behind(last, of_u, graph):
            op, edges = graph.operations[node], graph.edges[node]
            factors = [slot for slot in op.factors if is_of_u(edges[slot])]
            if not _is_linear(node, factors, graph):
                raise _no_skip(skip, f"{node.name()} between u and y isn't linear in u", graph, names)
            if factors:
                opens = tuple(slot not in op.factors or slot in factors for slot in range(len(edges)))
                products[node] = Rule(state_space.name, opens=partial(_open, opens))
            added = [edge for slot, edge in enumerate(edges) if slot not in op.factors and not is_of_u(edge)]
            products |= {child: Rule(state_space.name, opens=none_open) for child in _first_steps(added, graph)}
    return products


def _open(slots: Slots, node: Node, carries: Slots, graph: Graph) -> Slots:
    return slots


def _behind(pending: list[Node], among: set[Node], graph: Graph) -> set[Node]:
    visited: set[Node] = set()
    while pending:
        node = pending.pop()
        if node not in visited:
            visited.add(node)
            pending += [child for child, _ in graph.edges[node] if child in among]
    return visited


def _is_linear(node: Node, factors: list[int], graph: Graph) -> bool:
    """Return whether a node is linear in u, which is among its ``factors``."""
    op = graph.operations[node]
    if op.kind == "product":
        return len(factors) <= 1 and op.base not in ("Prod", "Cumprod") and (op.base != "Div" or factors == [0])
    return op.kind in ("linear", "in_place", "unknown")


def _first_steps(added: list[Edge], graph: Graph) -> list[Node]:
    """Return the decays of a constant state (the initial one, or one from a cache) among what is added to a state."""
    nodes = [node for node, _ in map(graph.through, added) if node in graph.reaching]
    return [node for node in nodes if graph.operations[node].base == "Mul" and sum(graph.reaching[node]) == 1]


def _check_seen(globs: list[str], graph: Graph, names: ParameterNames) -> None:
    """Raise if no skip is visible in the graph, or if other parameters of a state space are, but not its D."""
    of_node = {node: names.of(node, graph) for node in graph.order}
    seen = frozenset().union(*of_node.values())
    reaching = {name.rpartition(".")[0] for node in graph.reaching for name in of_node[node]}
    skips = {name for name in names.all if any(fnmatchcase(name, glob) for glob in globs)}
    for name in sorted(skips - seen):
        module = name.rpartition(".")[0]
        if skips.isdisjoint(seen) or any(f"{used}.".startswith(f"{module}.") for used in reaching):
            raise RelevanceError(
                f"{state_space}: {name} cannot be seen in the graph, so the state space's input is unknown. "
                "A parameter that is frozen and cast, or frozen and inside a checkpoint, leaves no trace: call "
                "model.requires_grad_(True) before the forward pass. Fused kernels hide it too. If the state spaces "
                "aren't between the inputs and the output, this rule isn't needed"
            )


def _no_skip(skip: Node, why: str, graph: Graph, names: ParameterNames) -> RelevanceError:
    return RelevanceError(f"{state_space}: {min(names.of(skip, graph))} is not the skip D u of a state space: {why}")
