"""Whether each architecture of the zoo can be explained, and whether relevance is conserved, or complete against a
reference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from lrp_domains import ATTN_LRP, CP_LRP, Ledger, RelevanceError, ledger, ledger_against, relevance

from .known_exceptions import ROUTED
from .zoo import Case, Forward, build, changed, forward

# The residue that rounding may cause, relative to the largest total of the ledger.
TOLERANCES = {"float64": 1e-6, "float64, float32 inside": 1e-4, "float32": 1e-3}


@dataclass(frozen=True)
class Outcome:
    """The result for one architecture under CP-LRP: its precision, the refusal if any, imbalance, closed branches."""

    precision: str
    refused: str = ""
    imbalance: float = float("nan")
    closed: tuple[str, ...] = ()

    @property
    def conserved(self) -> bool:
        """Whether the ledger adds up to the score, to rounding."""
        return self.imbalance <= TOLERANCES[self.precision]


def precision(case: Case, run: Forward) -> str:
    """Return the precision of a forward pass: many float64 models compute their norms or softmax in float32."""
    if case.architecture.dtype == torch.float32:
        return "float32"
    seen, pending = {run.score.grad_fn}, [run.score.grad_fn]
    while pending:
        node = pending.pop()
        if node.name().startswith("ToCopyBackward"):
            return "float64, float32 inside"
        children = {child for child, _ in node.next_functions if child is not None} - seen
        seen |= children
        pending += children
    return "float64"


def imbalance(account: Ledger) -> float:
    """Return the residue as a fraction of the largest of the score, the inputs' and the leaves' totals."""
    totals = (account.score, sum(account.inputs), sum(account.leaves.values()))
    return abs(account.residue) / max(map(abs, totals))


def outcome(name: str, *, padded: bool = False) -> Outcome:
    """Run one architecture, compute its ledger under CP-LRP, and explain it under AttnLRP."""
    case = build(name, padded=padded)
    run = forward(case)
    kind = precision(case, run)
    try:
        account = ledger(run.score, run.inputs, rules=CP_LRP, model=case.model, retain_graph=True)
        relevance(run.score, run.inputs, rules=ATTN_LRP, model=case.model)
    except RelevanceError as error:
        return Outcome(kind, refused=str(error))

    closed = tuple(text for text in (*account.leaves, *account.notes) if "depends on the inputs" in text)
    return Outcome(kind, imbalance=imbalance(account), closed=closed)


def incompleteness(name: str, *, attention: str | None = None) -> float:
    """Return the part of a difference of scores from a reference that is missing under SECANT, relative to the larger
    of the difference and the inputs' total.

    Experts are held, as they depend on the tokens.

    Raises
    ------
    RelevanceError
        The architecture runs other operations for the reference.
    """
    case = build(name)
    if attention is not None:
        case.model.set_attn_implementation(attention)
    references = changed(case)

    def rows_and_inputs(*values: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        run = forward(replace(case, batch=case.batch | dict(zip(references, values, strict=True))), by_row=True)
        return run.score, tuple(run.inputs)

    values = [case.batch[key].detach() for key in references]
    selections = "held" if name in ROUTED else "own"
    account = ledger_against(
        rows_and_inputs, values, list(references.values()), selections=selections, model=case.model
    )
    return abs(account.residue) / (max(abs(account.score), abs(sum(account.inputs))) or 1.0)
