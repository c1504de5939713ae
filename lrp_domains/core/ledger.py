"""The ledger: where all of the score went.

``score = sum of R(inputs) + sum of R(additive leaves) + residue``. What is added to a carrier of relevance holds a
part of it: biases, position and type embeddings, the shifts of norms, the means of batch norms. Under CP-LRP the
residue is 0 to rounding, for every architecture; under AttnLRP it is the Taylor remainder of the softmax.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from .errors import freed_graphs_named
from .graph.parameters import ParameterNames, modules
from .planning.leaves import add_leaves, additive_slots
from .planning.plan import Plan, make_plan
from .relevance import above, checked_start, propagate
from .roles.softmaxes import softmaxes
from .rule import Grads, Node, Rule
from .rules.layers import LayerRule
from .rules.rulesets import ATTN_LRP, RuleSet

Tensor = torch.Tensor
# Operations that write numbers which autograd doesn't keep.
_PUT_IN = ("Threshold", "Where", "MaskedFill", "Fill", "IndexFill", "ConstantPadNd", "NanToNum")
# The rows of weights that hold what depends on the inputs, and that a rule closed.
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
        For each additive leaf its relevance, by parameter name where the model was given. ``"(...)"`` are constants
        that are no parameters: a batch norm's running mean, the value of an activation at 0. A branch that depends on
        the inputs, but that a rule closes to them, has the row ``"(closed: depends on the inputs, its weight)"``.
    residue
        What is left: ``score - sum(inputs) - sum(leaves)``.
    relevance
        The relevance of each input, of its shape.
    rules
        The name of the rule set.
    notes
        What was closed, and where the books don't balance to 1e-6 what the residue may hold.
    """

    score: float
    inputs: tuple[float, ...]
    leaves: dict[str, float]
    residue: float
    relevance: tuple[Tensor, ...] = field(repr=False)
    rules: str
    notes: tuple[str, ...] = ()

    def balanced(self, rtol: float = 1e-6) -> bool:
        """Whether the residue is at most ``rtol`` of the largest of the score and the holders' totals."""
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
    """Account for the whole of a score: inputs, additive leaves, residue.

    Takes what `relevance` takes, and costs one such pass. Only parameters that require grad can be found: those of a
    frozen model end in the residue, and the ledger says so if ``model`` is given. So do numbers and buffers that the
    model adds, such as the 1 of ``(x + 1) * y``: autograd doesn't keep them. Inputs must not depend on one another.

    Examples
    --------
    >>> print(ledger(model(x)[:, 3], x, rules=CP_LRP, model=model))
    """
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    seed = checked_start(output, tensors, start)
    top = above(output)
    with freed_graphs_named():
        plan = make_plan(top, tensors, rules, model, unknown)
        names = ParameterNames(model) if model is not None else None
        plan, holders = add_leaves(plan, rules, names)
    where = modules(plan.graph, names) if names is not None else {}
    leaves: defaultdict[str, float] = defaultdict(float)

    def constants(node: Node, rule: Rule, gi: Grads, go: Grads) -> None:
        if rule.adds is not None and go[0] is not None:
            name, amount = rule.adds(node, gi, go)
            leaves[f"({name}, {where[node]})" if where.get(node) else f"({name})"] += amount

    with freed_graphs_named():
        explained = tensors + tuple(leaf.tensor for leaf in holders)
        results = propagate(top, explained, plan, seed, retain_graph, watch=constants)
    for number, (leaf, r) in enumerate(zip(holders, results[len(tensors) :], strict=True)):
        name = names.of_tensor(leaf.tensor) if names is not None else None
        name = name or f"leaf {number} {tuple(leaf.tensor.shape)}"
        if (total := r.double().sum().item()) or not leaf.closed:
            leaves[f"({CLOSED}, {name})" if leaf.closed else name] += total
    results = results[: len(tensors)]
    score = (output.detach() * seed).double().sum().item()
    totals = tuple(_total(r) for r in results)
    residue = score - sum(totals) - sum(leaves.values())
    account = Ledger(score, totals, dict(leaves), residue, results, rules.name)
    notes = _what_is_closed(plan, account, where)
    if not account.balanced():
        notes += _what_the_residue_holds(plan, model, where)
    return replace(account, notes=notes)


def _what_is_closed(plan: Plan, account: Ledger, where: dict[Node, str]) -> tuple[str, ...]:
    """What depends on the inputs and was added as a constant: in a row of its own, or in the residue."""
    rows = [name for name, total in account.leaves.items() if name.startswith(f"({CLOSED}") and total != 0]
    adding = [
        node
        for node, carries in plan.carries.items()
        for slot in additive_slots(plan.graph.operations[node], len(carries))
        if not carries[slot] and plan.graph.leads_to_source(plan.graph.edges[node][slot])
    ]
    if not rows and (not adding or account.balanced()):
        return ()
    places = sorted({where[node] for node in adding if where.get(node)})
    at = f" (at or after {', '.join(places[:3])})" if places else f" (see {', '.join(rows[:3])})" if rows else ""
    return (
        f"{len(rows) + len(adding)} branches depend on the inputs but count as constant under {account.rules}{at}: "
        "their part of the score is no input's",
    )


def _total(relevance: Tensor) -> float:
    """Sum a large tensor without a second one of its size: rows in float32 at least, then all in float64."""
    if not relevance.ndim:
        return relevance.item()
    return relevance.sum(-1, dtype=torch.promote_types(relevance.dtype, torch.float32)).double().sum().item()


def _what_the_residue_holds(plan: Plan, model: torch.nn.Module | None, where: dict[Node, str]) -> tuple[str, ...]:
    """What may be in a residue, as far as the graph shows it."""
    notes = []
    by_hand = plan.graph.once(softmaxes).members
    kinds = {plan.graph.operations[node].kind for node, carries in plan.carries.items() if all(carries[:1])}
    if kinds & {"softmax", "attention"} or by_hand & plan.carries.keys():
        notes.append("a softmax that is not constant keeps the remainder of its Taylor expansion (CP_LRP has none)")
    if layers := sorted({rule.name for rule in plan.rules.values() if isinstance(rule, LayerRule)}):
        notes.append(
            f"{', '.join(layers)} may keep a part: epsilon its stabiliser, alpha and beta what a neuron without "
            "contributions of both signs cannot share"
        )
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad] if model else []
    if frozen:
        notes.append(
            f"{len(frozen)} parameters are frozen, such as {frozen[0]}: what they add cannot be seen. Call "
            "model.requires_grad_(True) before the forward pass to see it"
        )
    hidden = [
        node
        for node in plan.carries
        if plan.graph.operations[node].base in ("Add", "Sub", "Rsub")
        and (len(plan.graph.edges[node]) < 2 or any(edge[0] is None for edge in plan.graph.edges[node]))
    ]
    if hidden and not frozen:
        place = next((where[node] for node in hidden if node in where), None)
        at = f", first at or after {place}" if place else ""
        notes.append(f"{len(hidden)} sums add something that is no parameter (a buffer, a number, a mask){at}")
    put_in = sorted({node.name() for node in plan.carries if plan.graph.operations[node].base in _PUT_IN})
    if put_in and not notes:
        notes.append(f"{', '.join(put_in)} may put in numbers of their own")
    return tuple(notes)
