"""The ledger: the account of a score, which checks conservation.

``score = sum of R(inputs) + sum of R(additive leaves) + residue``. What is added to a carrier of relevance accounts for
a part of the score: biases, position and type embeddings, the shifts of norms, the means of batch norms. Under CP-LRP
the residue is 0 to rounding, for every architecture; under AttnLRP it is the Taylor remainder of the softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from .errors import RelevanceError, freed_graphs_named
from .graph.parameters import ParameterNames, modules
from .ledger_notes import CLOSED, Remarks, closed_terms, hidden_terms, remarks_on
from .planning.leaves import add_leaves
from .planning.plan import make_plan
from .relevance import above, checked_start, propagate
from .rule import Grads, Node, Rule
from .rules.rulesets import ATTN_LRP, RuleSet

Tensor = torch.Tensor


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
    coefficients
        For each input, the g of ``relevance = x * g``, or of ``(x - reference) * g``; of several references the mean
        of g. None for an input that a first-layer rule (`flat`, `w_squared`, `z_box`) returns relevance for, without a
        g. The ledgers of `compile` have no coefficients.
    """

    score: float
    inputs: tuple[float, ...]
    leaves: dict[str, float]
    residue: float
    relevance: tuple[Tensor, ...] = field(repr=False)
    rules: str
    notes: tuple[str, ...] = ()
    coefficients: tuple[Tensor | None, ...] = field(repr=False, default=())

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
    options = {"rules": rules, "start": start, "model": model, "unknown": unknown}
    return sums_of(output, inputs, retain_graph=retain_graph, **options).ledger()


@dataclass(frozen=True)
class Rows:
    """The rows of a ledger, whose numbers are in a tensor: the score, the inputs, the leaves.

    Attributes
    ----------
    inputs
        The number of inputs.
    leaves
        The names of the leaves.
    weights
        Those of them that only weigh closed branches; they are left out where they are 0.
    remarks
        What the notes may say.
    """

    inputs: int
    leaves: tuple[str, ...]
    weights: frozenset[str]
    remarks: Remarks

    def ledger(
        self, numbers: Tensor, relevance: tuple[Tensor, ...], coefficients: tuple[Tensor | None, ...] = ()
    ) -> Ledger:
        """Return the ledger with these numbers. They are read all at once, as a GPU has to finish first."""
        score, *amounts = numbers.tolist()
        totals, of_leaves = tuple(amounts[: self.inputs]), zip(self.leaves, amounts[self.inputs :], strict=True)
        leaves = {name: amount for name, amount in of_leaves if amount or name not in self.weights}
        residue = score - sum(totals) - sum(leaves.values())
        account = Ledger(score, totals, leaves, residue, relevance, self.remarks.rules, coefficients=coefficients)
        return replace(account, notes=self.remarks.notes(leaves, is_balanced=account.balanced()))


@dataclass(frozen=True)
class Sums:
    """A ledger whose numbers, in float64, haven't been read from the device yet."""

    rows: Rows
    numbers: Tensor
    relevance: tuple[Tensor, ...]
    coefficients: tuple[Tensor | None, ...]

    def ledger(self) -> Ledger:
        """Return the ledger."""
        return self.rows.ledger(self.numbers, self.relevance, self.coefficients)


def sums_of(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    *,
    rules: RuleSet,
    start: Tensor | None = None,
    model: torch.nn.Module | None = None,
    unknown: str = "error",
    retain_graph: bool = False,
) -> Sums:
    """Compute a ledger; see `ledger`."""
    tensors = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if isinstance(rules, RuleSet) and rules.reads_reference:
        raise RelevanceError(f"rule set {rules.name!r} reads a reference: call ledger_against")
    seed = checked_start(output, tensors, start)
    top = above(output)
    with freed_graphs_named():
        names = ParameterNames(model) if model is not None else None
        plan = make_plan(top, tensors, rules, model, unknown, names=names)
        plan, leaf_tensors = add_leaves(plan, rules, names)
        adding, hidden = closed_terms(plan), hidden_terms(plan)
        named = [node for node, rule in plan.rules.items() if rule.adds is not None] + adding + hidden
        module_of = modules(plan.graph, names, named) if names is not None else {}
    leaves: dict[str, Tensor] = {}
    weights: set[str] = set()

    def add_leaf(name: str, amount: Tensor) -> None:
        leaves[name] = leaves[name] + amount.to(leaves[name].device) if name in leaves else amount

    def add_constant(node: Node, rule: Rule, gi: Grads, go: Grads) -> None:
        if rule.adds is not None and go[0] is not None:
            name, amount = rule.adds(node, gi, go)
            add_leaf(f"({name}, {module_of[node]})" if module_of.get(node) else f"({name})", amount)

    with freed_graphs_named():
        explained = tensors + tuple(leaf.tensor for leaf in leaf_tensors)
        results, coefficients = propagate(top, explained, plan, seed, retain_graph, watch=add_constant)
    coefficients = coefficients[: len(tensors)]

    for number, (leaf, r) in enumerate(zip(leaf_tensors, results[len(tensors) :], strict=True)):
        name = names.of_tensor(leaf.tensor) if names is not None else None
        name = name or f"leaf {number} {tuple(leaf.tensor.shape)}"
        if leaf.closed:
            name = f"({CLOSED}, {name})"
            weights.add(name)
        add_leaf(name, r.sum(dtype=torch.float64))

    results = results[: len(tensors)]
    totals = [(output.detach() * seed).double().sum(), *map(_total, results), *leaves.values()]
    numbers = torch.stack([total.to(output.device) for total in totals])
    remarks = remarks_on(plan, adding, hidden, names, module_of, rules)
    return Sums(Rows(len(results), tuple(leaves), frozenset(weights), remarks), numbers, results, coefficients)


def _total(relevance: Tensor) -> Tensor:
    """Sum a large tensor without a copy of its size: each row in float32 or wider, then the rows in float64."""
    if not relevance.ndim:
        return relevance.double()
    return relevance.sum(-1, dtype=torch.promote_types(relevance.dtype, torch.float32)).double().sum()
