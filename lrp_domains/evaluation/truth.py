"""Agreement with a known truth: how much of an explanation is on the units that are known to matter.

Each measure takes the relevance of one sample's units and whether each is true: arrays of one shape, such as height x
width of a picture. It is NaN where it isn't defined: where no unit is true, or all are.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from ..domain import DomainError


def precision_at(relevance: np.ndarray, truth: np.ndarray, k: int | None = None) -> float:
    """Compute the share of true units among the k most relevant.

    Units of the same relevance across the end of this list count in proportion, as if their order were random.

    Parameters
    ----------
    k
        None: the number of true units.
    """
    relevance, truth = _checked(relevance, truth)
    if k is not None and k < 1:
        raise DomainError(f"k is {k}: pass a whole number from 1")
    if not 0 < truth.sum() < len(truth):
        return float("nan")
    k = int(truth.sum()) if k is None else min(k, len(truth))
    last = np.sort(relevance)[-k]
    above, tied = relevance > last, relevance == last
    return float((truth[above].sum() + truth[tied].mean() * (k - above.sum())) / k)


def rank_accuracy(relevance: np.ndarray, truth: np.ndarray) -> float:
    """Compute the relevance rank accuracy (Arras et al. 2022, Inf. Fusion 81:14, eq. 2): of k true units, the share of
    the k most relevant that are true.

    It is `precision_at` with that k. A random order is expected to reach the share of true units.
    """
    return precision_at(relevance, truth)


def auroc(relevance: np.ndarray, truth: np.ndarray) -> float:
    """Compute the area under the receiver operating characteristic."""
    relevance, truth = _checked(relevance, truth)
    return float(roc_auc_score(truth, relevance)) if 0 < truth.sum() < len(truth) else float("nan")


def auprc(relevance: np.ndarray, truth: np.ndarray) -> float:
    """Compute the average precision. A random order is expected to reach the share of true units."""
    relevance, truth = _checked(relevance, truth)
    return float(average_precision_score(truth, relevance)) if 0 < truth.sum() < len(truth) else float("nan")


def mass_accuracy(relevance: np.ndarray, truth: np.ndarray) -> float:
    """Compute the share of the magnitude of relevance that is on true units (Arras et al. 2022, Inf. Fusion 81:14;
    Clark et al. 2024, arXiv 2406.11547). Also NaN without any relevance."""
    relevance, truth = _checked(relevance, truth)
    total = np.abs(relevance).sum()
    if not 0 < truth.sum() < len(truth) or total == 0:
        return float("nan")
    return float(np.abs(relevance[truth]).sum() / total)


def _checked(relevance: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    relevance, truth = np.asarray(relevance, float), np.asarray(truth, bool)
    if relevance.shape != truth.shape or not relevance.ndim:
        raise DomainError(f"relevance has shape {relevance.shape}, the truth {truth.shape}: pass one of each per unit")
    return relevance.ravel(), truth.ravel()
