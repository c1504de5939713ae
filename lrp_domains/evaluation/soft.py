"""Faithfulness by random removal: each unit is kept with a probability that rises with its relevance.

Of Zhao and Aletras 2023 (EMNLP), with a fixed expected share of kept units (arXiv 2601.03089), as otherwise large
scores alone would be rewarded. Whole units are removed here, not single features of their embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..domain import DomainError
from .removal import Predict, check_relevance


def kept_probabilities(relevance: np.ndarray, share: float) -> np.ndarray:
    """Return probabilities that are proportional to relevance above its minimum, at most 1, and ``share`` on average.

    Units of equal relevance have equal ones. What is above 1 is given to the others in proportion.
    """
    weights = np.asarray(relevance, float) - np.min(relevance)
    if not weights.any():
        return np.full(len(weights), share)
    wanted, free = share * len(weights), np.ones(len(weights), bool)
    chances = np.zeros(len(weights))
    while True:
        left = wanted - (~free).sum()
        total = weights[free].sum()
        # The rest has no relevance above the minimum: it shares what is left equally.
        chances[free] = weights[free] * (left / total) if total > 0 else left / max(free.sum(), 1)
        above = free & (chances > 1)
        if not above.any():
            return chances
        chances[above], free = 1.0, free & ~above


def soft_measures(
    predict: Predict,
    relevance: Sequence[np.ndarray],
    *,
    share: float = 0.5,
    draws: int = 20,
    through: Callable[[np.ndarray], np.ndarray] = np.asarray,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Compute soft normalised comprehensiveness and sufficiency, one number per sample.

    With p of the sample, p(0) of none of its units, and p' of randomly kept units, averaged over draws:
    ``Soft-NC = max(0, p - p') / (p - p(0))`` where the relevant units are removed, and
    ``Soft-NS = 1 - max(0, p - p') / (p - p(0))`` where they are kept. Both are at most 1, and higher is better.

    Parameters
    ----------
    predict, relevance
        As in `lrp_domains.evaluation.remove`.
    share
        The expected share of units that are kept for Soft-NS, and removed for Soft-NC.
    draws
        Of the units that are kept.
    through
        What is measured of the score, such as ``scipy.special.expit``.
    seed
        Of the draws.

    Raises
    ------
    DomainError
        A sample has no units or relevance that isn't finite, or the share isn't between 0 and 1.

    Returns
    -------
    ``Soft-NC`` and ``Soft-NS``; NaN where nothing is lost without any unit.
    """
    check_relevance(relevance)
    if not 0 < share < 1 or draws < 1:
        raise DomainError(f"share is {share} and draws {draws}: pass a share between 0 and 1, and draws from 1")
    random = np.random.default_rng(seed)
    samples, kept = [], []
    for number, amounts in enumerate(relevance):
        chances = kept_probabilities(amounts, share)
        drawn = random.random((draws, len(chances))) < chances
        rows = [np.ones(len(chances), bool), np.zeros(len(chances), bool), *drawn, *~drawn]
        kept += rows
        samples += [number] * len(rows)
    measured = np.asarray(through(predict(np.array(samples), kept)), float).reshape(len(relevance), -1)
    intact, empty = measured[:, 0], measured[:, 1]
    lost = np.where(intact > empty, intact - empty, np.nan)[:, None]
    falls = np.clip(intact[:, None] - measured[:, 2:], 0, None) / lost
    return {"Soft-NC": falls[:, draws:].mean(1).clip(max=1), "Soft-NS": (1 - falls[:, :draws].mean(1)).clip(min=0)}
