"""The number per sample that is explained, from the logits of its classes.

A softmax ignores what is added to all logits alike, so a logit alone also counts what changes no prediction. Log-odds
and margin don't.
"""

import torch
from torch import Tensor

from ..messages import DomainError
from .scores import NO_CLASS, check_score


def score_of(
    logits: Tensor,
    target: Tensor,
    score: str = "log-odds",
    *,
    against: Tensor | None = None,
    exclusive: bool = True,
    real: Tensor | None = None,
    constant: bool = True,
) -> Tensor:
    """Compute one score per sample.

    ========== ===================================================================================================
    log-odds   ``z_t - sum_j w_j z_j`` over ``j != t``, with ``w = softmax(z_j)`` held constant. Its gradient is
               that of ``log p_t / (1 - p_t)``. It exceeds these log-odds by the entropy of ``w``, which is 0 for
               two classes; inputs and biases account for all of it, but not for an entropy.
    margin     ``z_t - mean z_j`` over ``j != t``: all other classes count equally.
    logit      ``z_t``
    contrast   ``z_t - z_a``, where a class to contrast the target with is given.
    ========== ===================================================================================================

    Parameters
    ----------
    logits
        Samples x classes.
    target
        The number of a class per sample.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``; ignored for a contrast.
    against
        The number of the class to contrast the target with per sample, or `NO_CLASS`.
    exclusive
        Whether a softmax chooses one class. If not (several labels, a regression), the logit is explained: it is the
        log-odds already.
    real
        Which logits are not padding, samples x classes; None if all.
    constant
        Whether the weights of log-odds are constant. If not, the score is ``z_t - logsumexp(z_j)``, the log-odds
        themselves: for differences from a reference, whose rules are exact for a logsumexp.

    Returns
    -------
    One number per sample, with its graph.

    Raises
    ------
    DomainError
        The score is unknown, or no other class is left to compare with.
    """
    check_score(score)
    own = logits.gather(1, target[:, None])[:, 0]
    if against is not None and bool((against != NO_CLASS).all()):
        return own - logits.gather(1, against[:, None])[:, 0]

    if not constant and score == "log-odds" and exclusive and logits.shape[1] > 1:
        scores = own - _others(logits, target, real).logsumexp(1)
        return scores if against is None else _contrasted(scores, own, logits, against)

    others = _weights(logits, target, score, real) if exclusive and logits.shape[1] > 1 else None
    if others is not None and bool(torch.isneginf(logits).any()):
        logits = logits.masked_fill(others == 0, 0.0)  # a class that is ruled out counts nothing, where 0 * inf is NaN
    scores = own if others is None else own - (logits * others).sum(1)
    if against is None or bool((against == NO_CLASS).all()):
        return scores
    return _contrasted(scores, own, logits, against)


def _contrasted(scores: Tensor, own: Tensor, logits: Tensor, against: Tensor) -> Tensor:
    """Return the contrast where there is a class to contrast with, and the score elsewhere."""
    contrast = own - logits.gather(1, against.clamp(min=0)[:, None])[:, 0]
    return torch.where(against == NO_CLASS, scores, contrast)


def _weights(logits: Tensor, target: Tensor, score: str, real: Tensor | None) -> Tensor | None:
    """Return the weights of the other classes, which sum to 1; None where they don't count."""
    if score == "logit":
        return None
    others = _others(logits.detach(), target, real)
    if score == "margin":
        others = torch.where(others == -torch.inf, others, torch.zeros_like(others))
    return others.softmax(1)


def _others(logits: Tensor, target: Tensor, real: Tensor | None) -> Tensor:
    """Return the logits of the other classes; -inf for the target and for those that are ruled out."""
    is_target = torch.zeros_like(logits, dtype=torch.bool).scatter(1, target[:, None], True)
    others = logits.masked_fill(is_target if real is None else is_target | ~real, -torch.inf)
    if bool(torch.isneginf(others).all(1).any()):
        raise DomainError("all other classes are ruled out, with a logit of -inf: explain the logit, score='logit'")
    return others
