"""The false discovery rate that is asked for, and what can be compared with decoys."""

from numbers import Real

from ... import ATTN_LRP
from ..errors import CohortError
from ..explanation.request import Explanation
from ..explanation.target import PREDICTED


def check_rate(fdr: float | None) -> None:
    """Raise if a false discovery rate is none."""
    if fdr is not None and (not isinstance(fdr, Real) or not 0 < fdr < 1):
        raise CohortError(f"fdr is {fdr!r}; expected a rate between 0 and 1, such as 0.1")


def is_compared(request: Explanation, *, of_classes: bool) -> bool:
    """Return whether decoys are explained as a request asks for: as `Explanation` does by default."""
    return (
        request.target in (None, PREDICTED)
        and request.against is None
        and request.reference is None
        and (request.score == "log-odds" or not of_classes)
        and request.rule_set is ATTN_LRP
    )
