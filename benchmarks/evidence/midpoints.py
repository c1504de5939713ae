"""AttnLRP averaged over points on the way from the reference to the input."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from lrp_domains import ATTN_LRP, gradient, relevance
from lrp_domains.evaluation.rivals import Problem, Rival

# Of log-odds against a reference, the other labels' weights vary; at each point they count as constant.
RULES = ATTN_LRP.for_nodes({"LogsumexpBackward0": gradient})


def midpoints(steps: int) -> Rival:
    """Return the mean of AttnLRP's coefficients at the midpoints of some steps, times (input - reference)."""
    return Rival(f"AttnLRP, {steps} midpoints", partial(_relevance, steps), steps)


def _relevance(steps: int, of: Problem) -> list[Tensor]:
    totals = [0.0] * len(of.inputs)
    for step in range(steps):
        share = (step + 0.5) / steps
        # d moves the point: its relevance is its coefficient times d.
        moved = [(share * d).requires_grad_() for d in of.difference]
        points = [r + d for r, d in zip(of.references, moved, strict=True)]
        found = relevance(of.score(*points), moved, rules=RULES, model=of.model)
        totals = [total + r / share / steps for total, r in zip(totals, found, strict=True)]
    return totals
