"""The ledger: the account of a score, which checks conservation.

``score = sum of R(inputs) + sum of R(additive leaves) + residue``. What is added to a carrier of relevance accounts for
a part of the score: biases, position and type embeddings, the shifts of norms, the means of batch norms. Under CP-LRP
the residue is 0 to rounding, for every architecture; under AttnLRP it is the Taylor remainder of the softmax.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from .errors import RelevanceError, freed_graphs_named
from .graph.parameters import ParameterNames, modules
from .planning.leaves import add_leaves, additive_slots
from .planning.plan import Plan, make_plan
from .relevance import above, checked_start, propagate
from .roles.softmaxes import softmaxes
from .rule import Grads, Node, Rule
from .rules.activations import derivative
from .rules.layers import LayerRule
from .rules.rulesets import ATTN_LRP, RuleSet

Tensor = torch.Tensor
# Operations that write numbers which autograd doesn't keep.
_WRITES_NUMBERS = ("Threshold", "Where", "MaskedFill", "Fill", "IndexFill", "ConstantPadNd", "NanToNum")
# Begins the rows of branches that depend on the inputs but that a rule holds constant.
CLOSED = "closed: depends on the inputs"


@dataclass(frozen=True)
class Ledger:
    """The account of one explanation (of a whole batch, if the output was one).

    Attributes
    ----------
    score
        The sum of the output (or of ``start``).
    inputs
        For each input, the sum of its relevance.
    leaves
        The relevance of each additive leaf, by parameter name if the model was passed. ``"(...)"`` are constants other
        than parameters: a batch norm's running mean, the value of an activation at 0. A branch that depends on the
        inputs but that a rule holds constant has the row ``"(closed: depends on the inputs, its weight)"``.
    residue
        The remainder: ``score - sum(inputs) - sum(leaves)``.
    relevance
        The relevance of each input, in its shape.
    rules
        The name of the rule set.
    notes
        Which branches were closed and, if conservation doesn't hold to 1e-6, what the residue may contain.
    """

    score: float
    inputs: tuple[float, ...]
    leaves: dict[str, float]
    residue: float
    relevance: tuple[Tensor, ...] = field(repr=False)
    rules: str
    notes: tuple[str, ...] = ()

    def balanced(self, rtol: float = 1e-6) -> bool:
        """Return whether the residue is at most ``rtol`` times the largest of the score and the totals of inputs and
        leaves."""
        scale = max(abs(self.score), abs(sum(self.inputs)), abs(sum(self.leaves.values())))
        return abs(self.residue) <= rtol * scale

    def __str__(self) -> str:
        rows = [("score", self.score)]
        rows += [(f"inputs[{i}]" if len(self.inputs) > 1 else "inputs", total) for i, total in enumerate(self.inputs)]
        largest = sorted(self.leaves.items(), key=lambda row: -abs(row[1]))
        rows += [(f"  {name}", total) for name, total in largest[:8]]
        if len(largest) > 8:
            rows.append((f"  {len(largest) - 8} more leaves", sum(total for _, total in largest[8:])))
        rows += [("all leaves", sum(self.leaves.values())), ("residue", self.residue)]
        width = max(len(name) for name, _ in rows)
        lines = [f"ledger under {self.rules}", *(f"{name:<{width}}  {total:>+14.6g}" for name, total in rows)]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def ledger(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    *,
    rules: RuleSet = ATTN_LRP,
    start: Tensor | None = None,
    model: torch.nn.Module | None = None,
    unknown: str = "error",
    retain_graph: bool = False,
) -> Ledger:
    """Account for all of a score: inputs, additive leaves, residue.

    The arguments are those of `relevance`, and so is the cost. Only parameters that require grad can be found: those of
    a frozen model end up in the residue, and a note says so if ``model`` is passed. So do numbers and buffers that the
    model adds, such as the 1 of ``(x + 1) * y``, as autograd doesn't keep them. Inputs must not depend on one another.

    Examples
    --------
    >>> print(ledger(model(x)[:, 3], x, rules=CP_LRP, model=model))
    """
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if isinstance(rules, RuleSet) and rules.reads_reference:
        raise RelevanceError(f"rule set {rules.name!r} reads a reference: call ledger_against")
    seed = checked_start(output, tensors, start)
    top = above(output)
    with freed_graphs_named():
        names = ParameterNames(model) if model is not None else None
        plan = make_plan(top, tensors, rules, model, unknown, names=names)
        plan, leaf_tensors = add_leaves(plan, rules, names)
        adding, hidden = _closed_terms(plan), _hidden_terms(plan)
        named = [node for node, rule in plan.rules.items() if rule.adds is not None] + adding + hidden
        module_of = modules(plan.graph, names, named) if names is not None else {}
    leaves: defaultdict[str, float] = defaultdict(float)

    def add_constant(node: Node, rule: Rule, gi: Grads, go: Grads) -> None:
        if rule.adds is not None and go[0] is not None:
            name, amount = rule.adds(node, gi, go)
            leaves[f"({name}, {module_of[node]})" if module_of.get(node) else f"({name})"] += amount

    with freed_graphs_named():
        explained = tensors + tuple(leaf.tensor for leaf in leaf_tensors)
        results = propagate(top, explained, plan, seed, retain_graph, watch=add_constant)

    for number, (leaf, r) in enumerate(zip(leaf_tensors, results[len(tensors) :], strict=True)):
        total = r.sum(dtype=torch.float64).item()
        name = names.of_tensor(leaf.tensor) if names is not None else None
        name = name or f"leaf {number} {tuple(leaf.tensor.shape)}"
        if total or not leaf.closed:
            leaves[f"({CLOSED}, {name})" if leaf.closed else name] += total

    results = results[: len(tensors)]
    score = (output.detach() * seed).double().sum().item()
    totals = tuple(_total(r) for r in results)
    residue = score - sum(totals) - sum(leaves.values())
    account = Ledger(score, totals, dict(leaves), residue, results, rules.name)
    notes = _closed_branches(adding, account, module_of)
    if not account.balanced():
        notes += _contents_of_residue(plan, hidden, names, module_of)
    return replace(account, notes=notes)


def _closed_terms(plan: Plan) -> list[Node]:
    """Return the nodes that add a branch that depends on the inputs but is constant, once per branch."""
    return [
        node
        for node, carries in plan.carries.items()
        if not all(carries)
        for slot in additive_slots(plan.graph.operations[node], len(carries))
        if not carries[slot] and plan.graph.leads_to_source(plan.graph.edges[node][slot])
    ]


def _hidden_terms(plan: Plan) -> list[Node]:
    """Return the nodes that add something that autograd doesn't keep: a buffer, a number, a mask."""
    return [
        node
        for node in plan.carries
        if plan.graph.operations[node].base in ("Add", "Sub", "Rsub")
        and (len(plan.graph.edges[node]) < 2 or any(edge[0] is None for edge in plan.graph.edges[node]))
    ]


def _closed_branches(adding: list[Node], account: Ledger, module_of: dict[Node, str]) -> tuple[str, ...]:
    """Return a note on branches that depend on the inputs but are constant: in their rows or in the residue."""
    rows = [name for name, total in account.leaves.items() if name.startswith(f"({CLOSED}") and total != 0]
    if not rows and (not adding or account.balanced()):
        return ()
    names = sorted({module_of[node] for node in adding if module_of.get(node)})
    where = f" (at or after {', '.join(names[:3])})" if names else f" (see {', '.join(rows[:3])})" if rows else ""
    return (
        f"{len(rows) + len(adding)} branches depend on the inputs but count as constant under {account.rules}{where}: "
        "no input gets their part of the score",
    )


def _total(relevance: Tensor) -> float:
    """Sum a large tensor without a copy of its size: each row in float32 or wider, then the rows in float64."""
    if not relevance.ndim:
        return relevance.item()
    return relevance.sum(-1, dtype=torch.promote_types(relevance.dtype, torch.float32)).double().sum().item()


def _contents_of_residue(
    plan: Plan, hidden: list[Node], names: ParameterNames | None, module_of: dict[Node, str]
) -> tuple[str, ...]:
    """Return notes on what the residue may contain, as far as the graph shows it."""
    notes = []
    written_out = plan.graph.once(softmaxes).members
    kinds = {plan.graph.operations[node].kind for node, carries in plan.carries.items() if all(carries[:1])}
    if kinds & {"softmax", "attention"} or written_out & plan.carries.keys():
        notes.append("a softmax that is not constant keeps the remainder of its Taylor expansion (CP_LRP has none)")

    if any(rule.name == derivative.name for rule in plan.rules.values()):
        notes.append("an activation that keeps its derivative doesn't conserve relevance (the identity rule does)")

    if layer_rules := sorted({rule.name for rule in plan.rules.values() if isinstance(rule, LayerRule)}):
        notes.append(
            f"{', '.join(layer_rules)} may keep a part: epsilon its stabiliser, alpha and beta what a neuron without "
            "contributions of both signs cannot share"
        )

    frozen = names.frozen if names is not None else ()
    if frozen:
        notes.append(
            f"{len(frozen)} parameters are frozen, such as {frozen[0]}: what they add is not visible. Call "
            "model.requires_grad_(True) before the forward pass to see it"
        )

    if hidden and not frozen:
        name = next((module_of[node] for node in hidden if node in module_of), None)
        where = f", first at or after {name}" if name else ""
        notes.append(f"{len(hidden)} sums add something other than a parameter (a buffer, a number, a mask){where}")

    writing = sorted({node.name() for node in plan.carries if plan.graph.operations[node].base in _WRITES_NUMBERS})
    if writing and not notes:
        notes.append(f"{', '.join(writing)} may write numbers that autograd doesn't keep")
    return tuple(notes)
