"""What methods of explanation are measured by: functions from the relevance of samples to numbers, one per sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from ..domain import Progress, no_progress
from .areas import abpc, comprehensiveness, deletion, insertion, pruning_error, sufficiency
from .complexity import entropy, gini
from .removal import FRACTIONS, Predict, Removal, remove
from .truth import auprc, auroc, mass_accuracy, precision_at, rank_accuracy

Relevance = Sequence[np.ndarray]
"""Of each sample's units."""
Measures = Callable[[Relevance], Mapping[str, np.ndarray | Removal]]
"""From the relevance of S samples to measures by name, S numbers each; a `Removal` are the curves behind them."""


def faithfulness(
    predict: Predict,
    *,
    through: Callable[[np.ndarray], np.ndarray] = np.asarray,
    fractions: Sequence[float] = FRACTIONS,
    first: Mapping[str, float] = MappingProxyType({}),
    seed: int = 0,
    progress: Progress = no_progress,
) -> Measures:
    """Return the measures of faithfulness, along with the curves that they are areas of.

    Parameters
    ----------
    predict, fractions, seed, progress
        As in `remove`.
    through
        What is measured of the score, such as ``scipy.special.expit`` for the probability of log-odds; the pruning
        error is that of the score itself.
    first
        Fractions of units within which areas are measured too, where few units matter; by what is added to the names
        of these measures, such as ``"@100"``.
    """

    def measures(relevance: Relevance) -> dict[str, np.ndarray | Removal]:
        settings = {"fractions": fractions, "seed": seed, "progress": progress}
        removal = remove(predict, relevance, **settings)
        pruned = remove(predict, [np.abs(amounts) for amounts in relevance], curves=["without_least"], **settings)
        seen = removal.through(through)
        return {
            "curves": seen,
            "ABPC": abpc(seen),
            "comprehensiveness": comprehensiveness(seen),
            "sufficiency": sufficiency(seen),
            "deletion": deletion(seen),
            "AUAC": insertion(seen),
            "AU-MSE": pruning_error(pruned),
            **{
                f"{name}{suffix}": area(seen.up_to(fraction))
                for suffix, fraction in first.items()
                for name, area in (("ABPC", abpc), ("deletion", deletion), ("AUAC", insertion))
            },
        }

    return measures


def plausibility(truth: Sequence[np.ndarray]) -> Measures:
    """Return the measures of agreement with a truth: of each sample, which of its units are true."""

    def measures(relevance: Relevance) -> dict[str, np.ndarray]:
        functions = {"AUPRC": auprc, "AUROC": auroc, "mass accuracy": mass_accuracy}
        pairs = list(zip(relevance, truth, strict=True))
        values = {name: np.array([function(*pair) for pair in pairs]) for name, function in functions.items()}
        return {"p@1": np.array([precision_at(*pair, 1) for pair in pairs])} | values

    return measures


def localisation(truth: Sequence[np.ndarray]) -> Measures:
    """Return the measures of whether relevance is where it should be: of each sample, which of its units are true.

    Both are of the positive part of relevance, what speaks for the score, as that of Arras et al. 2022 (Inf. Fusion
    81:14): its share that is on true units, and the share of as many most relevant units that are true. A sample
    without positive relevance has no mass accuracy (NaN), and the rank accuracy of a random order.
    """

    def measures(relevance: Relevance) -> dict[str, np.ndarray]:
        pairs = [(np.clip(amounts, 0, None), true) for amounts, true in zip(relevance, truth, strict=True)]
        functions = {"mass accuracy (positive)": mass_accuracy, "rank accuracy (positive)": rank_accuracy}
        return {name: np.array([function(*pair) for pair in pairs]) for name, function in functions.items()}

    return measures


def simplicity(relevance: Relevance) -> dict[str, np.ndarray]:
    """Compute the measures of complexity."""
    return {
        "Gini": np.array([gini(amounts) for amounts in relevance]),
        "entropy": np.array([entropy(amounts) for amounts in relevance]),
    }
