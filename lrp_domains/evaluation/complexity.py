"""Complexity: on how few units the relevance of a sample is."""

from __future__ import annotations

import numpy as np


def gini(relevance: np.ndarray) -> float:
    """Compute the Gini coefficient of the magnitudes: 0 if all are equal, near 1 if one unit has all (Chalasani et al.
    2020, ICML). NaN without any relevance."""
    sizes = np.sort(np.abs(np.asarray(relevance, float)))
    if not sizes.sum():
        return float("nan")
    n = len(sizes)
    return float((2 * np.arange(1, n + 1) - n - 1) @ sizes / (n * sizes.sum()))


def entropy(relevance: np.ndarray) -> float:
    """Compute the entropy of the magnitudes' shares, in nats (Bhatt et al. 2020, IJCAI). NaN without any relevance."""
    sizes = np.abs(np.asarray(relevance, float))
    if not sizes.sum():
        return float("nan")
    shares = sizes[sizes > 0] / sizes.sum()
    return float(-(shares * np.log(shares)).sum())
