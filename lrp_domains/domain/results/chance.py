"""Whether a model predicts the labels of samples better than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def near_chance(labels: Sequence[str], predictions: Sequence[str], what: str = "texts") -> tuple[str, ...]:
    """Return a warning if predictions are no better than the most frequent label; nothing otherwise, or without labels.

    Parameters
    ----------
    labels, predictions
        Of each sample.
    what
        What the samples are, in the plural.
    """
    if not len(labels):
        return ()
    right = float(np.mean([label == other for label, other in zip(labels, predictions, strict=True)]))
    _, counts = np.unique(labels, return_counts=True)
    chance = counts.max() / counts.sum()
    # Twice the standard error of a share.
    if right > chance + 2 * np.sqrt(chance * (1 - chance) / len(labels)):
        return ()
    return (
        f"The model is right for {right:.0%} of these {len(labels)} {what}, not significantly more than the most "
        f"frequent label, {chance:.0%}: near chance, there is little to explain.",
    )
