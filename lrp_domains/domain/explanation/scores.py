"""The scores that can be explained, by name. `lrp_domains.domain.score_of` computes them."""

from ..messages import DomainError, choices

SCORES = {
    "log-odds": "logit minus the mean of the other classes' logits, weighted by their probabilities",
    "margin": "logit minus the mean of the other classes' logits",
    "logit": "logit",
}
"""The scores by name, and their formulas in words."""

NO_CLASS = -1
"""Stands for no class to contrast the target with."""


def check_score(score: str) -> None:
    """Raise if a score is unknown."""
    if not isinstance(score, str):
        raise DomainError(f"score={score!r} is neither a name nor a function; {choices(score, SCORES)}")
    if score in ("probability", "softmax", "sigmoid"):
        raise DomainError(f"score='{score}': a probability saturates and hides what it depends on; use 'log-odds'")
    if score not in SCORES:
        raise DomainError(f"unknown score {score!r}; {choices(score, SCORES)}")
