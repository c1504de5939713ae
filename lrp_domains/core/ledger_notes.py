"""What the notes of a ledger say: which branches were closed, and what the residue may contain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .graph.parameters import ParameterNames
from .layers.steps import JOINING, SUMS
from .planning.leaves import additive_slots
from .planning.plan import Plan
from .roles.softmaxes import softmaxes
from .rule import Node
from .rules.activations import derivative
from .rules.layers import LayerRule
from .rules.rulesets import RuleSet

# Operations that write numbers which autograd doesn't keep.
_WRITES_NUMBERS = ("Threshold", "Where", "MaskedFill", "Fill", "IndexFill", "ConstantPadNd", "NanToNum")
# Begins the rows of branches that depend on the inputs but that a rule holds constant.
CLOSED = "closed: depends on the inputs"


@dataclass(frozen=True)
class Remarks:
    """What the notes of a ledger may say, whatever its numbers are.

    Attributes
    ----------
    rules
        The name of the rule set.
    always
        Notes whatever the numbers are.
    closed
        The number of branches that depend on the inputs but have no weight to be listed by.
    modules
        The modules where these are added.
    residue
        What the residue may contain.
    """

    rules: str
    always: tuple[str, ...] = ()
    closed: int = 0
    modules: tuple[str, ...] = ()
    residue: tuple[str, ...] = ()

    def notes(self, leaves: Collection[str], *, is_balanced: bool) -> tuple[str, ...]:
        """Return the notes on a ledger with these leaves."""
        rows = [name for name in leaves if name.startswith(f"({CLOSED}")]
        about_residue = (*(() if is_balanced else self.residue), *self.always)
        if not rows and (not self.closed or is_balanced):
            return about_residue
        where = f" (see {', '.join(rows[:3])})" if rows else ""
        where = f" (at or after {', '.join(self.modules[:3])})" if self.modules else where
        note = (
            f"{len(rows) + self.closed} branches depend on the inputs but count as constant under {self.rules}{where}: "
            "no input gets their part of the score"
        )
        return (note, *about_residue)


def remarks_on(
    plan: Plan,
    adding: Sequence[Node],
    hidden: Sequence[Node],
    names: ParameterNames | None,
    module_of: Mapping[Node, str],
    rules: RuleSet,
) -> Remarks:
    """Return what notes may say about a plan, given its closed and its hidden terms."""
    modules = tuple(sorted({module_of[node] for node in adding if module_of.get(node)}))
    residue = _contents_of_residue(plan, hidden, names, module_of)
    return Remarks(rules.name, closed=len(adding), modules=modules, residue=residue)


def closed_terms(plan: Plan) -> list[Node]:
    """Return the nodes that add a branch that depends on the inputs but is constant, once per branch."""
    return [
        node
        for node, carries in plan.carries.items()
        if not all(carries)
        for slot in additive_slots(plan.graph.operations[node], len(carries))
        if not carries[slot] and plan.graph.leads_to_source(plan.graph.edges[node][slot])
    ]


def hidden_terms(plan: Plan) -> list[Node]:
    """Return the nodes that add or join something that autograd doesn't keep: a buffer, a number, a mask."""
    return [
        node
        for node in plan.carries
        if (base := plan.graph.operations[node].base) in SUMS | JOINING
        and (
            (base in SUMS and len(plan.graph.edges[node]) < 2)
            or any(edge[0] is None for edge in plan.graph.edges[node])
        )
    ]


def _contents_of_residue(
    plan: Plan, hidden: Sequence[Node], names: ParameterNames | None, module_of: Mapping[Node, str]
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
        joining = sum(plan.graph.operations[node].base in JOINING for node in hidden)
        counts = (len(hidden) - joining, "sums add"), (joining, "concatenations hold")
        for count, what in counts:
            if count:
                notes.append(f"{count} {what} something other than a parameter (a buffer, a number, a mask){where}")

    writing = sorted({node.name() for node in plan.carries if plan.graph.operations[node].base in _WRITES_NUMBERS})
    if writing and not notes:
        notes.append(f"{', '.join(writing)} may write numbers that autograd doesn't keep")
    return tuple(notes)
