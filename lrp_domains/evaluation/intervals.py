"""Bootstrap intervals of means, and of paired differences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from ..domain import DomainError

DRAWS = 2000


class Interval(NamedTuple):
    """A mean with its interval and standard error, over n samples."""

    mean: float
    low: float
    high: float
    standard_error: float
    n: int


def mean_interval(values: np.ndarray, *, level: float = 0.95, draws: int = DRAWS, seed: int = 0) -> Interval:
    """Compute the mean over samples with its bootstrap interval.

    Parameters
    ----------
    values
        One number per sample; NaN where it isn't defined, which doesn't count.
    level
        Of the interval, by percentiles.
    draws, seed
        Of the bootstrap.

    Returns
    -------
    The interval is NaN for fewer than two samples.
    """
    if not 0 < level < 1:
        raise DomainError(f"level is {level}: pass a number between 0 and 1, such as 0.95")
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return Interval(float(values.mean()) if len(values) else np.nan, np.nan, np.nan, np.nan, len(values))
    options = {"confidence_level": level, "n_resamples": draws, "method": "percentile", "vectorized": True}
    drawn = stats.bootstrap((values,), np.mean, batch=100, rng=np.random.default_rng(seed), **options)
    low, high = drawn.confidence_interval
    return Interval(float(values.mean()), float(low), float(high), float(drawn.standard_error), len(values))


def paired_difference(
    a: np.ndarray, b: np.ndarray, *, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """Compute the mean of a - b over the same samples with its bootstrap interval; see `mean_interval`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        raise DomainError(f"{a.shape[0]} and {b.shape[0]} samples can't be paired: measure both on the same ones")
    return mean_interval(a - b, level=level, draws=draws, seed=seed)
