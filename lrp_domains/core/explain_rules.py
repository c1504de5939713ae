"""Which rule met which operation, where, how often: the explanation explained."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .choice import kind_at
from .errors import freed_graphs_named
from .parameters import ParameterNames, modules
from .plan import make_plan
from .relevance import checked_start
from .rulesets import ATTN_LRP, RuleSet


@dataclass(frozen=True)
class RuleUse:
    """One row of the table: an autograd node's name, its operation, the rule, how often, and in which modules."""

    node: str
    operation: str
    rule: str
    count: int
    modules: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class RuleTable:
    """What `explain_rules` returns: shown as a table, its rows also as data."""

    rules: str
    rows: tuple[RuleUse, ...]

    def __str__(self) -> str:
        header = ("node", "operation", "rule", "count", "at or after")
        cells = [header]
        for row in self.rows:
            shown = ", ".join(row.modules[:3]) + (f", {len(row.modules) - 3} more" if len(row.modules) > 3 else "")
            cells.append((row.node, row.operation, row.rule, str(row.count), shown))
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

    Takes what `relevance` takes. With ``model`` the table says where. Operations that nothing flows to are listed too.
    """
    tensors = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    checked_start(output, tensors, None)
    with freed_graphs_named():
        plan = make_plan(output, tensors, rules, model, unknown)
    where = modules(plan.graph, ParameterNames(model)) if model is not None else {}
    counts: Counter[tuple[str, str, str]] = Counter()
    places = defaultdict(dict)
    for node in reversed(plan.graph.order):
        if node in plan.rules:
            key = (node.name(), kind_at(node, plan.graph), plan.rules[node].name)
        elif node in plan.graph.reaching:
            key = (node.name(), kind_at(node, plan.graph), "constant (nothing flows)")
        else:
            continue
        counts[key] += 1
        if where.get(node):
            places[key].setdefault(where[node])
    rows = tuple(RuleUse(*key, count, tuple(places[key])) for key, count in sorted(counts.items()))
    return RuleTable(f"rules of {rules.name}", rows)
