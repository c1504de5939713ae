"""Faithfulness: what samples score without some of their units, in the order of their relevance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..domain import DomainError, Progress, check_choice, no_progress

Predict = Callable[[np.ndarray, list[np.ndarray]], np.ndarray]
"""``predict(samples, kept)`` returns a score per row, for the number of a sample and which of its units are kept."""

FRACTIONS = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Those of DeYoung et al. 2020 (ACL, 2020.acl-main.408), and every tenth."""
CURVES = ("without_most", "without_least", "only_most")
ROWS = 4096  # at a time


@dataclass(frozen=True)
class Removal:
    """What S samples score without some of their units, at P fractions of these.

    Attributes
    ----------
    fractions
        Of a sample's units, P, rising from 0 to 1; of n units ``ceil(fraction * n)`` are meant.
    without_most, without_least, only_most
        The scores without the most relevant units, without the least relevant, and with only the most relevant, S x P;
        None where that wasn't measured.
    """

    fractions: np.ndarray
    without_most: np.ndarray | None = None
    without_least: np.ndarray | None = None
    only_most: np.ndarray | None = None

    def through(self, function: Callable[[np.ndarray], np.ndarray]) -> Removal:
        """Return the curves of a function of the score, such as the probability, ``scipy.special.expit``."""
        return replace(self, **{name: function(curve) for name, curve in self._measured.items()})

    def up_to(self, fraction: float) -> Removal:
        """Return the curves up to a fraction of units, as if it were all of them."""
        if fraction <= 0:
            raise DomainError(f"fraction is {fraction}: pass a number above 0")
        points = self.fractions <= fraction
        curves = {name: curve[:, points] for name, curve in self._measured.items()}
        return replace(self, fractions=self.fractions[points] / self.fractions[points].max(), **curves)

    def means(self) -> pd.DataFrame:
        """Return the means over samples: one row per ``fraction``, one per curve, NaN if it wasn't measured."""
        curves = {name: curve.mean(0) for name, curve in self._measured.items()}
        return pd.DataFrame(curves, columns=list(CURVES), index=pd.Index(self.fractions, name="fraction"))

    @property
    def _measured(self) -> dict[str, np.ndarray]:
        return {name: getattr(self, name) for name in CURVES if getattr(self, name) is not None}


def remove(
    predict: Predict,
    relevance: Sequence[np.ndarray],
    *,
    fractions: Sequence[float] = FRACTIONS,
    curves: Sequence[str] = CURVES,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Removal:
    """Remove units of samples in the order of their relevance, and measure what the samples then score.

    Parameters
    ----------
    predict
        ``predict(samples, kept)`` returns one score per row, for the numbers of samples and, per row, which of the
        sample's units are kept (bool); all others are removed. It is called with many rows at once, and batches them as
        it likes. Equal rows are computed once.
    relevance
        Of each sample's units, of any number of them.
    fractions
        Of a sample's units.
    curves
        Which curves of a `Removal` are measured.
    seed
        For the order of units of the same relevance, which is random.
    progress
        Wraps the iteration over pieces of many rows.

    Raises
    ------
    DomainError
        A sample has no units or relevance that isn't finite, or a fraction isn't between 0 and 1.
    """
    at = _checked_fractions(fractions)
    check_relevance(relevance)
    for name in curves:
        check_choice("curve", name, CURVES)
    random = np.random.default_rng(seed)
    rows: dict[tuple[int, bytes], int] = {}
    kept: list[np.ndarray] = []
    numbers = np.empty((len(curves), len(relevance), len(at)), int)
    for sample, amounts in enumerate(relevance):
        # Shuffled before they are sorted, so that units of equal relevance come in random order.
        shuffled = random.permutation(len(amounts))
        order = shuffled[np.argsort(-np.asarray(amounts)[shuffled], kind="stable")]
        masks = _masks(order, np.ceil(at * len(order) - 1e-9).astype(int))
        for curve, name in enumerate(curves):
            for point, mask in enumerate(masks[name]):
                key = (sample, mask.tobytes())
                if key not in rows:
                    rows[key] = len(kept)
                    kept.append(mask)
                numbers[curve, sample, point] = rows[key]

    samples = np.fromiter((sample for sample, _ in rows), int, len(rows))
    starts = range(0, len(kept), ROWS)
    parts = [predict(samples[i : i + ROWS], kept[i : i + ROWS]) for i in progress(list(starts), "Removing units")]
    scores = np.concatenate([np.atleast_1d(np.asarray(part, float)) for part in parts])
    if scores.shape != (len(kept),):
        raise DomainError(f"predict returned scores of shape {scores.shape} for {len(kept)} rows: return one per row")
    return Removal(at, **dict(zip(curves, scores[numbers], strict=True)))


def _masks(order: np.ndarray, counts: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Return which units are kept by each curve, for each number of units."""
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    return {
        "without_most": [place >= count for count in counts],
        "without_least": [place < len(order) - count for count in counts],
        "only_most": [place < count for count in counts],
    }


def _checked_fractions(fractions: Sequence[float]) -> np.ndarray:
    at = np.unique(np.asarray(fractions, float))
    if not len(at) or at[0] < 0 or at[-1] > 1 or not np.isfinite(at).all():
        raise DomainError(f"fractions are {list(fractions)}: pass numbers between 0 and 1")
    return np.union1d(at, (0.0, 1.0))


def check_relevance(relevance: Sequence[np.ndarray]) -> None:
    """Raise if there are no samples, or one has no units or relevance that isn't finite."""
    if not len(relevance):
        raise DomainError("there are no samples: pass the relevance of at least one")
    for number, amounts in enumerate(relevance):
        if np.ndim(amounts) != 1 or not len(amounts):
            raise DomainError(
                f"the relevance of sample {number} has shape {np.shape(amounts)}: pass one number per unit, and at "
                "least one"
            )
        if not np.isfinite(amounts).all():
            raise DomainError(f"the relevance of sample {number} isn't finite: leave the sample out")
