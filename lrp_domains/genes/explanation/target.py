"""What is explained: which class of a cell, and which number of that class."""

import torch
from torch import Tensor

from ..errors import CohortError, choices

PREDICTED = "predicted"
LABELLED = "labelled"
SCORES = {
    "log-odds": "logit minus the mean of the other classes' logits, weighted by their probabilities",
    "margin": "logit minus the mean of the other classes' logits",
    "logit": "logit",
}


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


def score_of(logits: Tensor, target: Tensor, score: str, against: Tensor | None = None) -> Tensor:
    """Give one number per cell.

    A softmax doesn't see what is added to all logits alike, so a logit alone also counts what changes no prediction.

    ========== ===================================================================================================
    log-odds   ``z_t - sum_j w_j z_j`` over ``j != t``, with ``w = softmax(z_j)`` held constant. Its gradient is
               that of ``log p_t / (1 - p_t)``: what the probability depends on. It differs from these log-odds by
               the entropy of ``w``, which is 0 for two classes.
    margin     ``z_t - mean z_j`` over ``j != t``: all other classes count alike, however far off they are.
    logit      ``z_t``
    pair       ``z_t - z_a``, where the class to set it `against` is given.
    ========== ===================================================================================================

    Parameters
    ----------
    logits
        Cells x classes.
    target, against
        The number of a class for each cell.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``; not looked at where `against` is given.
    """
    own = logits.gather(1, target[:, None])[:, 0]
    if against is not None:
        return own - logits.gather(1, against[:, None])[:, 0]
    if score == "logit" or logits.shape[1] == 1:
        return own
    if score == "margin":
        return own - (logits.sum(1) - own) / (logits.shape[1] - 1)
    others = logits.detach().scatter(1, target[:, None], -torch.inf).softmax(1)
    return own - (logits * others).sum(1)
