"""How well a cohort is predicted: fold by fold, and which groups are confused."""

from typing import Any

import pandas as pd

from ..figures.confusion_matrix import confusion_matrix, counts_of_classes, size_of_confusion
from .pictures import ALL, picture
from .results import CohortResults

WHOLE = ("fold", "epochs", "held_out_cells")


def performance_table(performance: pd.DataFrame | None, noun: str) -> dict[str, Any] | None:
    """Return folds as rows, and their mean: measures on held-out cells, and the accuracy on training cells."""
    if performance is None or performance.empty:
        return None
    in_training = ("training_accuracy", "training_r2", "training_concordance")
    held_out = [name for name in performance if name.startswith("held_out_")]
    names = [name for name in ("fold", "epochs", *held_out, *in_training) if name in performance]
    mean = performance[names].mean(numeric_only=True)

    def texts(row) -> list[str]:
        return [f"{row[name]:.0f}" if name in WHOLE else f"{row[name]:.3f}" for name in names]

    def heading(name: str) -> str:
        if name == "held_out_cells":
            return noun
        return name.removeprefix("held_out_").replace("training_", "in training: ").replace("_", " ")

    return {
        "columns": [heading(name) for name in names],
        "rows": [texts(row) for row in performance[names].to_dict("records")],
        "mean": ["mean", *texts(mean)[1:]] if names[0] == "fold" else texts(mean),
        "calibration": "held_out_calibration_error" in names,
    }


def confusion(results: CohortResults) -> dict[str, Any] | None:
    """Draw the predicted classes of each labelled group; return the numbers if they are few."""
    counts = counts_of_classes(results.adata)
    if counts is None:
        return None
    small = counts.shape[1] <= 3  # of so few numbers a table shows more than a figure
    size = size_of_confusion(counts)
    return {
        "figure": None if small else picture(lambda axes: confusion_matrix(results.adata, ax=axes), *size, colours=ALL),
        "classes": list(counts.columns),
        "rows": list(zip(counts.index, counts.to_numpy().tolist(), strict=True)) if small else [],
    }
