"""The number that is explained, from the logits of a text's labels or of the next token.

A softmax head's logits say nothing by themselves: the same number added to all of them changes no
probability. Log-odds have this freedom taken out, ``log p / (1 - p) = z_t - log sum of exp z_j over j != t``,
and are the difference of the logits where there are two. Its relevance is that of
``z_t - sum of w_j z_j`` with ``w_j``, the probability of j among the others, as a constant; what the two
differ by, the entropy of ``w``, is the score's *spread* and no input's.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import TextError, choices

SCORES = ("log-odds", "logit")


@dataclass(frozen=True)
class Scores:
    """The scores of a batch of rows.

    Attributes
    ----------
    explained
        B numbers, in the graph.
    spread
        B numbers: what the log-odds differ from them by, 0 for two labels.
    """

    explained: Tensor
    spread: Tensor

    def where(self, condition: Tensor, other: "Scores") -> "Scores":
        """These scores, and others where the condition holds."""
        explained = torch.where(condition, other.explained, self.explained)
        return Scores(explained, torch.where(condition, other.spread, self.spread))


def check_score(score: str) -> None:
    """Refuse a score that isn't known."""
    if score in ("probability", "softmax", "sigmoid"):
        raise TextError(f"score='{score}': a probability saturates and hides what it rests on; use 'log-odds'")
    if score not in SCORES:
        raise TextError(f"there is no score {score!r}; {choices(score, SCORES)}")


def score_of(logits: Tensor, target: Tensor, score: str, exclusive: bool = True, real: Tensor | None = None) -> Scores:
    """Give one number per row.

    Parameters
    ----------
    logits
        B x K.
    target
        For each row the number of what is explained, B.
    score
        ``"log-odds"`` or ``"logit"``.
    exclusive
        Whether a softmax makes the K exclude one another. If not (several labels, regression), the logit is the
        log-odds already.
    real
        Which of the K are no padding, B x K; None if all.
    """
    own = logits.gather(1, target[:, None])[:, 0]
    none = torch.zeros_like(own.detach())
    if score == "logit" or not exclusive or logits.shape[1] == 1:
        return Scores(own, none)
    others = logits.detach().scatter(1, target[:, None], -torch.inf)
    if real is not None:
        others = others.masked_fill(~real, -torch.inf)
    w = others.softmax(1).to(logits.dtype)
    if logits.shape[1] == 2:
        return Scores(own - (w * logits).sum(1), none)
    return Scores(own - (w * logits).sum(1), -torch.special.entr(w).sum(1))


def contrast_of(logits: Tensor, target: Tensor, against: Tensor) -> Scores:
    """Give the logit of one minus the logit of another, for each row."""
    difference = logits.gather(1, target[:, None])[:, 0] - logits.gather(1, against[:, None])[:, 0]
    return Scores(difference, torch.zeros_like(difference.detach()))
