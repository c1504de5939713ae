"""Figures across cohorts: how far their rankings agree."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .drawing import name_axes, png

PANELS = {"spearman": "relevance", "de_spearman": "differential expression"}


def agreement_matrices(agreement: pd.DataFrame) -> str:
    """Spearman's correlation of every two cohorts, the mean over groups: ours, and differential expression beside."""
    cohorts = list(dict.fromkeys([*agreement["cohort_a"], *agreement["cohort_b"]]))
    panels = {column: title for column, title in PANELS.items() if agreement[column].notna().any()}
    size = 1.7 + 0.55 * len(cohorts)
    figure = Figure(figsize=(size * len(panels) + 1, size), layout="constrained")
    axes = []
    for place, (column, title) in enumerate(panels.items(), 1):
        axes.append(figure.add_subplot(1, len(panels), place))
        values = np.eye(len(cohorts))
        for (a, b), mean in agreement.groupby(["cohort_a", "cohort_b"])[column].mean().items():
            i, j = cohorts.index(a), cohorts.index(b)
            values[i, j] = values[j, i] = mean
        image = axes[-1].imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
        for i, j in np.ndindex(values.shape):
            if i != j and np.isfinite(values[i, j]):
                colour = "white" if abs(values[i, j]) > 0.6 else "black"
                axes[-1].text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", fontsize=8.5, color=colour)
        name_axes(axes[-1], rows=cohorts, columns=cohorts)
        axes[-1].set_title(title, fontsize=9.5)
    figure.colorbar(image, ax=axes, label="Spearman", shrink=0.8)
    return png(figure)
