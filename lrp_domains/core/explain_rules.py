"""Which rule met which operation, where, how often: the explanation explained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .errors import freed_graphs_named
from .graph.operations import KEY, QUERY, VALUE, Node
from .graph.parameters import ParameterNames, modules
from .planning.choice import kind_at
from .planning.plan import Plan, make_plan
from .relevance import checked_start
from .roles.roles import Roles
from .rule import gradient
from .rules.rulesets import ATTN_LRP, RuleSet


@dataclass(frozen=True)
class RuleUse:
    """One row of the table: an autograd node's name, its operation, the rule, how often, and in which modules; of a
    product the ranks of its factors (core/roles.py), each with the share it takes."""

    node: str
    operation: str
    rule: str
    count: int
    modules: tuple[str, ...]
    factors: str = ""


@dataclass(frozen=True, repr=False)
class RuleTable:
    """What `explain_rules` returns: shown as a table, its rows also as data."""

    rules: str
    rows: tuple[RuleUse, ...]

    def __str__(self) -> str:
        header = ("node", "operation", "rule", "factors", "count", "at or after")
        cells = [header]
        for row in self.rows:
            shown = ", ".join(row.modules[:3]) + (f", {len(row.modules) - 3} more" if len(row.modules) > 3 else "")
            cells.append((row.node, row.operation, row.rule, row.factors, str(row.count), shown))
        widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join([self.rules, lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    __repr__ = __str__


def explain_rules(
    output: torch.Tensor,
    inputs: torch.Tensor | Sequence[torch.Tensor],
    *,
    rules: RuleSet = ATTN_LRP,
    model: torch.nn.Module | None = None,
    unknown: str = "error",
) -> RuleTable:
    """List which rule meets which operation between the inputs and the output; nothing is computed.

    Takes what `relevance` takes. With ``model`` the table says where. Operations that nothing flows to are listed
    too. A product is listed with the ranks of its factors and what each takes: ``gate 0, signal 1``. A role that is
    wrong can be overridden by a parameter's name (`RuleSet.where`).
    """
    tensors = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    checked_start(output, tensors, None)
    with freed_graphs_named():
        plan = make_plan(output, tensors, rules, model, unknown)
    where = modules(plan.graph, ParameterNames(model)) if model is not None else {}
    counts: Counter[tuple[str, str, str, str]] = Counter()
    places = defaultdict(dict)
    for node in reversed(plan.graph.order):
        if node in plan.rules:
            key = (node.name(), kind_at(node, plan.graph), plan.rules[node].name, _factors(node, plan))
        elif node in plan.graph.reaching:
            key = (node.name(), kind_at(node, plan.graph), "constant (nothing flows)", "")
        else:
            continue
        counts[key] += 1
        if where.get(node):
            places[key].setdefault(where[node])
    rows = tuple(RuleUse(*key[:3], count, tuple(places[key]), factors=key[3]) for key, count in sorted(counts.items()))
    return RuleTable(f"rules of {rules.name}", rows)


def _factors(node: Node, plan: Plan) -> str:
    """The ranks of a product's factors, and what each takes."""
    if plan.rules[node].name == gradient.name:
        return ""  # it shares nothing
    graph, roles = plan.graph, plan.graph.once(Roles)
    op, shares = graph.operations[node], plan.shares.of.get(node, {})
    if op.kind == "attention":  # of a fused one the slots are what is multiplied
        names = {QUERY: "query", KEY: "key", VALUE: "value"}
        return ", ".join(f"{name} {shares.get(slot, 0.0):.2g}" for slot, name in names.items())
    edges = roles.factors(node) if op.kind == "product" else []
    if sum(graph.leads_to_source(edge) for edge in edges) < 2:
        return ""
    if roles.together(node):
        return "of one origin"
    nested = plan.shares.nested.get(node)
    if nested is not None:
        return "nested: " + ", ".join(
            f"{roles.rank(f.edge, f.is_inverse).name.lower()} {share:.2g}" for f, share in nested
        )
    shown = []
    for index, edge in enumerate(edges):
        # Along a dimension the factors are the entries of one tensor, at the only slot.
        slot, number = (0, index) if op.base in ("Prod", "Cumprod") else (op.factors[index],) * 2
        share = shares.get(number, 1.0) if plan.carries[node][slot] else 0.0
        is_divisor = op.base == "Div" and index == 1
        rank = roles.rank(edge, is_divisor).name.lower() if graph.leads_to_source(edge) else "constant"
        shown.append(f"{'1 / ' if is_divisor else ''}{rank} {share:.2g}")
    return ", ".join(shown)
