"""What is explained: which class of a cell, and which number of that class."""

import numpy as np
import torch
from torch import Tensor

from .errors import CohortError, choices

PREDICTED = "predicted"
LABELLED = "labelled"
SCORES = {"margin": "logit minus the mean of the other classes' logits", "logit": "logit"}


def resolve_target(target: str, classes: tuple[str, ...]) -> int | None:
    """Give the number of a named class, or None where the target differs from cell to cell."""
    if target in classes:
        return classes.index(target)
    if target in (PREDICTED, LABELLED):
        return None
    raise CohortError(
        f"there is no target '{target}'; it is '{PREDICTED}', '{LABELLED}' or a class: {choices(target, classes)}"
    )


def check_score(score: str) -> None:
    """Refuse a score that isn't known."""
    if score not in SCORES:
        raise CohortError(f"there is no score '{score}'; {choices(score, SCORES)}")


def score_of(logits: Tensor, target: Tensor, score: str) -> Tensor:
    """Give one number per cell.

    The classes' logits say nothing by themselves: adding the same number to all of them changes no
    prediction. The margin, ``z_t - mean of z_j over j != t``, has this freedom taken out, so genes that raise
    all logits alike (a cell's depth, house-keeping genes) get no relevance for it.

    Parameters
    ----------
    logits
        Cells x classes.
    target
        The number of a class for each cell.
    score
        ``"margin"`` or ``"logit"``.
    """
    own = logits.gather(1, target[:, None])[:, 0]
    if score == "logit":
        return own
    return own - (logits.sum(1) - own) / (logits.shape[1] - 1)


def as_tensor(codes: np.ndarray, like: Tensor) -> Tensor:
    """Give class numbers on the device of `like`."""
    return torch.as_tensor(codes, dtype=torch.long, device=like.device)
