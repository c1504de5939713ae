"""A table of the rules that an explanation uses: which rule applies to which operation, where and how often."""

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
from .roles.factors import factors_of
from .roles.roles import Roles
from .rule import gradient
from .rules.rulesets import ATTN_LRP, RuleSet


@dataclass(frozen=True)
class RuleUse:
    """One row of the table: an autograd node's name, its operation, the rule, how often and in which modules it occurs;
    for a product, the ranks of its factors (core/roles/roles.py), each with the share it gets."""

    node: str
    operation: str
    rule: str
    count: int
    modules: tuple[str, ...]
    factors: str = ""


@dataclass(frozen=True, repr=False)
class RuleTable:
    """The result of `explain_rules`: printed as a table, with its rows as data."""

    rules: str
    rows: tuple[RuleUse, ...]

    def __str__(self) -> str:
        header = ("node", "operation", "rule", "factors", "count", "at or after")
        cells = [header]
        for row in self.rows:
            where = ", ".join(row.modules[:3]) + (f", {len(row.modules) - 3} more" if len(row.modules) > 3 else "")
            cells.append((row.node, row.operation, row.rule, row.factors, str(row.count), where))

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
    """List which rule applies to which operation between the inputs and the output, without computing relevance.

    The arguments are those of `relevance`. With ``model`` the table also lists the modules. Operations that no
    relevance flows to are included. A product is listed with the ranks of its factors and the share of each:
    ``gate 0, signal 1``. A wrong role can be overridden by a parameter's name (`RuleSet.where`).
    """
    tensors = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    checked_start(output, tensors, None)
    with freed_graphs_named():
        plan = make_plan(output, tensors, rules, model, unknown)

    module_of = modules(plan.graph, ParameterNames(model)) if model is not None else {}
    counts: Counter[tuple[str, str, str, str]] = Counter()
    modules_of_row = defaultdict(dict)  # of dicts, as ordered sets
    for node in reversed(plan.graph.order):
        if node in plan.rules:
            key = (node.name(), kind_at(node, plan.graph), plan.rules[node].name, _factors(node, plan))
        elif node in plan.graph.reaching:
            key = (node.name(), kind_at(node, plan.graph), "constant (nothing flows)", "")
        else:
            continue
        counts[key] += 1
        if module_of.get(node):
            modules_of_row[key].setdefault(module_of[node])

    rows = tuple(
        RuleUse(*key[:3], count, tuple(modules_of_row[key]), factors=key[3]) for key, count in sorted(counts.items())
    )
    return RuleTable(f"rules of {rules.name}", rows)


def _factors(node: Node, plan: Plan) -> str:
    """Return the ranks of a product's factors and the share of each, as text."""
    if plan.rules[node].name == gradient.name:
        return ""  # nothing is shared
    graph, roles = plan.graph, plan.graph.once(Roles)
    op, shares = graph.operations[node], plan.shares.of.get(node, {})

    if op.kind == "attention":  # fused: the slots are the factors
        names = {QUERY: "query", KEY: "key", VALUE: "value"}
        return ", ".join(f"{name} {shares.get(slot, 0.0):.2g}" for slot, name in names.items())

    edges = factors_of(node, graph) if op.kind == "product" else []
    if sum(graph.leads_to_source(edge) for edge in edges) < 2:
        return ""
    if roles.together(node):
        return "of one origin"
    nested = plan.shares.nested.get(node)
    if nested is not None:
        return "nested: " + ", ".join(
            f"{roles.rank(f.edge, f.is_inverse).name.lower()} {share:.2g}" for f, share in nested
        )

    cells = []
    for index, edge in enumerate(edges):
        # The factors of prod and cumprod are the entries of one tensor, at the only slot.
        slot, number = (0, index) if op.base in ("Prod", "Cumprod") else (op.factors[index],) * 2
        share = shares.get(number, 1.0) if plan.carries[node][slot] else 0.0
        is_divisor = op.base == "Div" and index == 1
        rank = roles.rank(edge, is_divisor).name.lower() if graph.leads_to_source(edge) else "constant"
        cells.append(f"{'1 / ' if is_divisor else ''}{rank} {share:.2g}")
    return ", ".join(cells)
