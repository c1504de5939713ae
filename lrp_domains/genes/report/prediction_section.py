"""How well a cohort is predicted: fold by fold, and which groups are taken for which."""

from typing import Any

import pandas as pd

from .. import slots
from . import figures_of_groups
from .results import CohortResults

WHOLE = ("fold", "epochs", "held_out_cells")


def performance_table(performance: pd.DataFrame | None, unit: str) -> dict[str, Any] | None:
    """Give folds as rows, and their mean: what was measured on held-out cells, and the accuracy of training beside."""
    if performance is None or performance.empty:
        return None
    beside = ("training_accuracy", "training_r2", "training_concordance")
    held_out = [name for name in performance if name.startswith("held_out_")]
    names = [name for name in ("fold", "epochs", *held_out, *beside) if name in performance]
    mean = performance[names].mean(numeric_only=True)

    def texts(row) -> list[str]:
        return [f"{row[name]:.0f}" if name in WHOLE else f"{row[name]:.3f}" for name in names]

    return {
        "columns": [unit if name == "held_out_cells" else name.removeprefix("held_out_").replace(
            "training_", "in training: ").replace("_", " ") for name in names],
        "rows": [texts(row) for row in performance[names].to_dict("records")],
        "mean": ["mean", *texts(mean)[1:]] if names[0] == "fold" else texts(mean),
        "calibration": "held_out_calibration_error" in names,
    }  # fmt: skip


def counted(results: CohortResults) -> pd.DataFrame | None:
    """Count cells by label and predicted class, where the learnt labels are known."""
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
    """Draw what is predicted for each labelled group; give the numbers where they are few."""
    counts = counted(results)
    if counts is None:
        return None
    small = counts.shape[1] <= 3  # a figure of so few numbers says less than the numbers
    return {
        "figure": None if small else figures_of_groups.confusion(counts),
        "classes": list(counts.columns),
        "rows": list(zip(counts.index, counts.to_numpy().tolist(), strict=True)) if small else [],
    }
