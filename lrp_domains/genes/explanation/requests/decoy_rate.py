"""The false discovery rate that is asked for, and what can be compared with decoys."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

from ...errors import CohortError
from .target import PREDICTED

if TYPE_CHECKING:
    from .request import Explanation


def check_rate(fdr: float | None) -> None:
    """Raise if a false discovery rate is none."""
    if fdr is not None and (not isinstance(fdr, Real) or not 0 < fdr < 1):
        raise CohortError(f"fdr is {fdr!r}; expected a rate between 0 and 1, such as 0.1")


def check_comparison(request: Explanation, *, labels: str, of_classes: bool) -> None:
    """Raise if genes are to be compared with decoys, but explained or grouped in another way than decoys are."""
    if not is_compared(request, of_classes=of_classes) or (of_classes and request.groupby not in (None, labels)):
        raise CohortError(
            "decoys (fdr) are explained for the log-odds of the predicted class by the rules 'attn-lrp', without a "
            f"reference, in the groups of '{labels}': leave out fdr, or target, against, score, rules, reference and "
            "groupby"
        )


def is_compared(request: Explanation, *, of_classes: bool) -> bool:
    """Return whether decoys are explained as a request asks for: as `Explanation` does by default."""
    from .... import ATTN_LRP  # imports PyTorch, which ranking doesn't need

    return (
        request.target in (None, PREDICTED)
        and request.against is None
        and request.reference is None
        and (request.score == "log-odds" or not of_classes)
        and request.rule_set is ATTN_LRP
    )
