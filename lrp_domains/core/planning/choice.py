"""The choice of a rule for a node: by parameter name, node name, position as a first layer, or operation."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ..errors import RelevanceError, UnknownOperation
from ..graph.graph import Graph, Node
from ..graph.operations import REFUSED
from ..graph.parameters import ParameterNames, modules
from ..graph.saved import read
from ..graph.weights import CONVOLUTIONS, DENSE, OTHERS, takes_layer_rules
from ..layers.first_layers import is_first
from ..roles.packs import FOLDS, pack_of
from ..roles.softmaxes import softmaxes
from ..rule import Rule, gradient
from ..rules.layers import LayerRule
from ..rules.rulesets import RuleSet

# The kinds of nodes that `kind_at` never takes for another operation.
_FIXED = frozenset(("linear", "norm", "attention", "embedding"))


def choose_all(graph: Graph, rules: RuleSet, names: ParameterNames | None) -> dict[Node, Rule | None]:
    """Return the rule for each node that an input can be reached from, inputs first; None if the rule set has none."""
    if rules.overrides or rules.names_nodes or rules.first is not None:
        return {node: choose(node, graph, rules, names) for node in graph.reaching}
    kinds = ((node, graph.operations[node].kind) for node in graph.reaching)
    of = rules.operations.get
    return {node: of(kind if kind in _FIXED else kind_at(node, graph)) for node, kind in kinds}


def choose(node: Node, graph: Graph, rules: RuleSet, names: ParameterNames | None) -> Rule | None:
    """Return the rule for a node, or None if the rule set has none."""
    if names is not None:
        for row in reversed(rules.overrides):  # the last match takes precedence
            if meets(row, node, graph, names):
                return row[1]
    if rules.names_nodes and (rule := rules.operations.get(node.name())) is not None:
        return rule
    kind = kind_at(node, graph)
    if kind in ("dense", "convolution") and rules.first is not None:
        slot = next(slot for slot in graph.operations[node].factors if graph.reaching[node][slot])
        if is_first(graph.edges[node][slot], graph):
            return rules.first
    return rules.operations.get(kind)


def meets(row: tuple[str, Rule], node: Node, graph: Graph, names: ParameterNames) -> bool:
    """Return whether a row of ``overrides`` applies to a node.

    The node must use a parameter whose name matches and, for a layer rule, be a layer: norms, embeddings and biases
    that are added separately keep their rules.

    Raises
    ------
    RelevanceError
        The node is a layer that the layer rules have no formula for.
    """
    glob, rule = row
    if graph.operations[node].kind in ("linear", "norm", "embedding") and isinstance(rule, LayerRule):
        return False
    if not any(fnmatchcase(name, glob) for name in names.of(node, graph)):
        return False
    if not isinstance(rule, LayerRule) or kind_at(node, graph) in ("dense", "convolution"):
        return True
    if graph.operations[node].base in OTHERS | {"Trilinear"}:
        raise RelevanceError(f"{rule} for {glob!r} can't be applied: the layer rules have no formula for {node.name()}")
    return False


def kind_at(node: Node, graph: Graph) -> str:
    """Return which operation of a rule set a node counts as in its graph."""
    op, slots = graph.operations[node], graph.carried[node]
    if op.kind in _FIXED:
        return op.kind
    if node in graph.once(softmaxes).members:
        return "softmax"
    if node in graph.once(softmaxes).parts and op.kind != "product":
        return "linear"
    if (op.kind == "softmax" or op.base in FOLDS) and pack_of(node, graph) is not None:
        return "activation"
    if op.kind == "reduction":
        return {"sum": "linear", "mean": "linear", "prod": "unknown"}.get(read(node, "reduce"), "piecewise")
    if op.base == "MseLoss" and read(node, "reduction") == 0:
        return "statistic"  # entry by entry it is homogeneous of degree 2
    if op.base == "Div" and op.kind == "product" and len(slots) == 1:
        return "linear" if slots == [0] else "activation"
    if op.kind == "product" and takes_layer_rules(node, graph):
        if op.base in DENSE:
            return "dense"
        if op.base in CONVOLUTIONS:
            return "convolution"
    return op.kind


def answer_unknown(node: Node, graph: Graph, names: ParameterNames | None, unknown: str) -> Rule:
    """Raise for a node without a rule, or return the gradient as its rule if that is accepted."""
    op = graph.operations[node]
    if unknown == "gradient":
        return gradient
    module = modules(graph, names).get(node) if names is not None else None
    where = f" (at or after module {module!r})" if module else "" if names else " (pass model= to see where)"
    if op.kind == "refused":
        raise UnknownOperation(f"{node.name()}{where} cannot be explained: {REFUSED[op.base]}")
    raise UnknownOperation(
        f"{node.name()}{where} has no rule and is not known to be linear. Either give it one, "
        f'rules.for_nodes({{"{node.name()}": rule}}), or accept its derivative with unknown="gradient"'
    )
