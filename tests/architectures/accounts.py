"""How each architecture of the zoo fares: is everything in its graph known, and do its books balance?"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lrp_domains import ATTN_LRP, CP_LRP, Ledger, RelevanceError, ledger, relevance

from .zoo import Case, Forward, build, forward

# How far rounding may take the residue, relative to the largest total in the books.
TOLERANCES = {"float64": 1e-6, "float64, float32 inside": 1e-4, "float32": 1e-3}


@dataclass(frozen=True)
class Account:
    """One architecture under CP-LRP: its precision, what was refused (or nothing), the imbalance, closed branches."""

    precision: str
    refused: str = ""
    imbalance: float = float("nan")
    closed: tuple[str, ...] = ()

    @property
    def balanced(self) -> bool:
        return self.imbalance <= TOLERANCES[self.precision]


def precision(case: Case, run: Forward) -> str:
    """Many models in float64 still take their norms or their softmax in float32."""
    if case.architecture.dtype == torch.float32:
        return "float32"
    seen, ahead = {run.score.grad_fn}, [run.score.grad_fn]
    while ahead:
        node = ahead.pop()
        if node.name().startswith("ToCopyBackward"):
            return "float64, float32 inside"
        following = {edge for edge, _ in node.next_functions if edge is not None} - seen
        seen |= following
        ahead += following
    return "float64"


def imbalance(books: Ledger) -> float:
    """The residue as a fraction of the largest of the score, the inputs' and the leaves' totals."""
    totals = (books.score, sum(books.inputs), sum(books.leaves.values()))
    return abs(books.residue) / max(map(abs, totals))


def account(name: str, *, padded: bool = False) -> Account:
    """Run one architecture and do its books; then explain it once more under AttnLRP."""
    case = build(name, padded=padded)
    run = forward(case)
    kind = precision(case, run)
    try:
        books = ledger(run.score, run.inputs, rules=CP_LRP, model=case.model, retain_graph=True)
        relevance(run.score, run.inputs, rules=ATTN_LRP, model=case.model)
    except RelevanceError as error:
        return Account(kind, refused=str(error))
    closed = tuple(text for text in (*books.leaves, *books.notes) if "depends on the inputs" in text)
    return Account(kind, imbalance=imbalance(books), closed=closed)
