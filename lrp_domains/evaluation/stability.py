"""Stability: how similar explanations are that should agree, such as those of several seeds, folds or cohorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ..domain import DomainError
from .overlap import rank_biased_overlap


def jaccard(a: np.ndarray, b: np.ndarray, k: int = 20) -> float:
    """Compute the Jaccard index of the k units of largest magnitude, each with its sign."""
    _check_same_units(a, b)
    if k < 1:
        raise DomainError(f"k is {k}: pass a whole number from 1")
    sets = [{(int(unit), bool(v[unit] > 0)) for unit in np.argsort(-np.abs(v), kind="stable")[:k]} for v in (a, b)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Compute Spearman's rank correlation; NaN where all units of one have the same relevance."""
    _check_same_units(a, b)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)


def similarity(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> np.ndarray:
    """Compute Spearman's correlation between two explanations of each sample, of the magnitudes of relevance."""
    return np.array([spearman(np.abs(x), np.abs(y)) for x, y in zip(a, b, strict=True)])


def agreement(explanations: Mapping[str, np.ndarray], k: int = 20) -> pd.DataFrame:
    """Compare each pair of several explanations of the same units.

    Parameters
    ----------
    explanations
        By name, such as a seed or a cohort, the relevance of each unit.
    k
        The number of units of `jaccard`.

    Returns
    -------
    One row per pair: ``a``, ``b``, ``spearman``, ``jaccard``, and ``rbo``, the rank-biased overlap of the magnitudes.
    """
    rows = []
    for (a, of_a), (b, of_b) in combinations(explanations.items(), 2):
        _check_same_units(of_a, of_b)
        overlap = rank_biased_overlap(np.abs(of_a), np.abs(of_b))
        rows.append((a, b, spearman(of_a, of_b), jaccard(of_a, of_b, k), overlap))
    return pd.DataFrame(rows, columns=["a", "b", "spearman", "jaccard", "rbo"])


def _check_same_units(a: np.ndarray, b: np.ndarray) -> None:
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise DomainError(
            f"explanations of shapes {np.shape(a)} and {np.shape(b)} can't be compared: align their units"
        )
