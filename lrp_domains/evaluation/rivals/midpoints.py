"""AttnLRP averaged over points on the way from the reference to the input."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from ... import ATTN_LRP, gradient, relevance
from .rival import Problem, Rival, check_count

# Of log-odds against a reference, the other labels' weights vary; at each point they count as constant.
RULES = ATTN_LRP.for_nodes({"LogsumexpBackward0": gradient})


def midpoints(steps: int = 4) -> Rival:
    """Return AttnLRP averaged over points between the reference and the input: the mean of its coefficients at the
    midpoints of equal steps, times (input - reference).

    Integrated gradients with the coefficients of AttnLRP in the place of gradients, of which few steps are enough. Its
    sum is only about the difference of the scores.

    Parameters
    ----------
    steps
        How many, at a gradient each.
    """
    check_count("steps", steps)
    return Rival(f"AttnLRP at {steps} midpoints", partial(_relevance, steps), steps)


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
