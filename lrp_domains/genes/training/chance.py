"""Whether held-out rows are predicted better than by chance."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from scipy.stats import t as student

from ..models.held_out import HeldOut
from .performance import ordered_pairs
from .target import Target

CONFIDENCE = 0.95


def held_out(target: Target, outputs: np.ndarray, *, folds: np.ndarray, donors: pd.Series | None) -> HeldOut:
    """Measure the predictions of all rows, each by networks that have not seen it, with their error.

    ========= =========================================================================== ======
    classes   balanced accuracy                                                           1 / K
    value     Spearman's correlation within folds: of ranks, centred and scaled per fold  0
    survival  Harrell's concordance of the pairs within folds                             0.5
    ========= =========================================================================== ======

    The error is Student's quantile times the standard error, which is computed from the influence of each row on the
    measure, summed over clusters: the rows of a donor (and class) vary together, otherwise each row is a cluster.

    Parameters
    ----------
    target
        What was learnt.
    outputs
        Rows x outputs, by the networks that have not seen the row.
    folds, donors
        Of each row; None if every row is a donor, or donors are ignored.
    """
    if target.task == "classes":
        measure, chance = "balanced accuracy", 1 / len(target.names)
        value, influence = _balanced_accuracy(outputs.argmax(1), target.values)
    elif target.task == "value":
        measure, chance = "rank correlation", 0.0
        value, influence = _correlation(outputs[:, 0], target.values, folds)
    else:
        measure, chance = "concordance", 0.5
        value, influence = _concordance(outputs[:, 0], target, folds)

    # Each class has its recall, and each fold its mean rank.
    means = len(target.names) if target.task == "classes" else len(np.unique(folds))
    error = _error(influence, _clusters(target, donors), means)
    return HeldOut(measure, value, error=error, chance=chance)


def _balanced_accuracy(predicted: np.ndarray, true: np.ndarray) -> tuple[float, np.ndarray]:
    """Return balanced accuracy, and the influence of each row on it."""
    right = (predicted == true).astype(np.float64)
    sizes = np.bincount(true)
    recalls = np.bincount(true, right) / sizes
    return float(recalls.mean()), (right - recalls[true]) / sizes[true] / len(sizes)


def _correlation(predicted: np.ndarray, true: np.ndarray, folds: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the correlation of ranks within folds, and the influence of each row on it; 0 if nothing varies."""
    a, b = (_standard_ranks(values, folds) for values in (predicted, true))
    varies = (a != 0) | (b != 0)
    rows = max(int(varies.sum()), 1)
    r = float(a @ b / rows)
    return r, (a * b - r * (a**2 + b**2) / 2) / rows


def _standard_ranks(values: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the rank of each row in its fold, with mean 0 and standard deviation 1; 0 where all are equal."""
    ranks = np.zeros(len(values))
    for fold in np.unique(folds):
        rows = folds == fold
        centred = rankdata(values[rows]) - (rows.sum() + 1) / 2
        ranks[rows] = centred / (centred.std() or 1.0)
    return ranks


def _concordance(risk: np.ndarray, target: Target, folds: np.ndarray) -> tuple[float, np.ndarray]:
    """Return Harrell's concordance of the pairs within folds, and the influence of each row on it."""
    right, pairs = np.zeros(len(risk)), np.zeros(len(risk))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        first, higher = ordered_pairs(risk[rows], target.values[rows], target.time[rows])
        for sums, counted in ((right, higher * first), (pairs, first)):
            sums[rows] += counted.sum(0) + counted.sum(1)
    total = pairs.sum() / 2
    if not total:
        return 0.5, np.zeros(len(risk))
    value = right.sum() / 2 / total
    return float(value), (right - value * pairs) / total


def _clusters(target: Target, donors: pd.Series | None) -> np.ndarray:
    """Return the number of each row's cluster: a donor, or the rows of a donor and a class; else the row itself."""
    if donors is None:
        return np.arange(len(target.values))
    names = donors.astype(str).reset_index(drop=True)
    if target.task == "classes":
        return names.groupby([names, target.values]).ngroup().to_numpy()
    return pd.factorize(names)[0]


def _error(influence: np.ndarray, clusters: np.ndarray, means: int) -> float:
    """Compute half the width of the interval of a measure that subtracts some number of means."""
    sums = np.bincount(clusters, influence)
    freedom = max(len(sums) - means, 1)
    return float(student.ppf((1 + CONFIDENCE) / 2, freedom) * np.sqrt(len(sums) / freedom * (sums**2).sum()))
