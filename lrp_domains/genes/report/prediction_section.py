"""How well a cohort is predicted: fold by fold, and which groups are confused."""

from typing import Any

import pandas as pd

from .. import slots
from . import figures_of_groups
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


def counted(results: CohortResults) -> pd.DataFrame | None:
    """Count cells by label and predicted class; None if the learnt labels are unknown."""
    obs, column = results.adata.obs, str(results.provenance["labels"])
    if not results.of_classes or column not in obs or slots.PREDICTED not in obs:
        return None
    labelled = obs[column].astype(str).to_numpy()
    classes = list(results.adata.obs[slots.PREDICTED].cat.categories)
    present = set(labelled)
    groups = [name for name in classes if name in present] + sorted(present - set(classes))
    counts = pd.crosstab(labelled, obs[slots.PREDICTED].astype(str).to_numpy())
    return counts.reindex(index=groups, columns=classes, fill_value=0)


def confusion(results: CohortResults) -> dict[str, Any] | None:
    """Draw the predicted classes of each labelled group; return the numbers if they are few."""
    counts = counted(results)
    if counts is None:
        return None
    small = counts.shape[1] <= 3  # of so few numbers a table shows more than a figure
    return {
        "figure": None if small else figures_of_groups.confusion(counts),
        "classes": list(counts.columns),
        "rows": list(zip(counts.index, counts.to_numpy().tolist(), strict=True)) if small else [],
    }
