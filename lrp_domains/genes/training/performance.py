"""How good the scores of some rows are: accuracy and calibration, error, concordance."""

import numpy as np
import pandas as pd
from scipy.special import log_softmax
from scipy.stats import spearmanr
from sklearn.metrics import r2_score, root_mean_squared_error

from .target import Target

BINS = 10


def performance_of(target: Target, rows: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Compare the outputs of some rows with their true values.

    Returns
    -------
    Number of cells, and by task: accuracy, balanced accuracy, log loss, Brier score and expected calibration error;
    R2, Spearman's correlation and root mean squared error; or the concordance index. NaN where one isn't defined.
    """
    true, outputs = target.values[rows], outputs.astype(np.float64)
    if target.task == "classes":
        measures = of_classes(outputs, true)
    elif target.task == "value":
        measures = of_values(outputs[:, 0], true)
    else:
        measures = {"concordance": concordance(outputs[:, 0], true, target.time[rows])}
    return {"cells": len(rows)} | measures


def of_classes(logits: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Compute accuracy and calibration of logits.

    ===================== ======================================================================================
    balanced_accuracy     the mean over the classes that occur, with equal weight
    log_loss              ``- mean log p_true``
    brier                 ``mean sum_c (p_c - [c = true])^2``, from 0 to 2
    calibration_error     `calibration_error` of the predicted class's probability
    ===================== ======================================================================================
    """
    log_p = log_softmax(logits, axis=1)
    p, right = np.exp(log_p), logits.argmax(1) == true
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(pd.Series(right).groupby(true).mean().mean()),
        "log_loss": float(-log_p[np.arange(len(true)), true].mean()),
        "brier": float(((p - np.eye(p.shape[1])[true]) ** 2).sum(1).mean()),
        "calibration_error": calibration_error(p.max(1), right),
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Compute the expected calibration error (Naeini 2015): the distance of confidence from accuracy, in ten bins.

    ``sum_b n_b / n |mean confidence_b - mean right_b|``, where bin ``b`` contains those in ``(b / 10, (b + 1) / 10]``.
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return float(np.abs(np.bincount(bins, confidence - right, BINS)).sum() / len(right))


def of_values(values: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Compute R2, Spearman's correlation and root mean squared error; the first two are NaN of constant values."""
    varies = len(true) > 1 and np.ptp(true) > 0
    return {
        "r2": float(r2_score(true, values)) if varies else np.nan,
        "spearman": float(spearmanr(true, values).statistic) if varies and np.ptp(values) > 0 else np.nan,
        "rmse": float(root_mean_squared_error(true, values)),
    }


def concordance(risk: np.ndarray, event: np.ndarray, time: np.ndarray) -> float:
    """Compute Harrell's index: of the pairs with a known order of events, the share in which the first has more risk.

    A patient whose follow-up ends at the time of another's event had none until then. Equal risks count one half. 0.5
    is chance; NaN without such a pair.
    """
    first, higher = ordered_pairs(risk, event, time)
    return float(higher[first].mean()) if first.any() else np.nan


def ordered_pairs(risk: np.ndarray, event: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which pairs have a known order, the earlier event in rows, and 1 where it has more risk, 0.5 if equal."""
    seen = event[:, None] == 1
    first = seen & ((time[:, None] < time) | ((time[:, None] == time) & (event == 0)))
    return first, (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
