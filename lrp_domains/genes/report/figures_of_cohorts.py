"""Figures across cohorts: the agreement of their rankings."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...domain.page import DIVERGING, Drawing, drawing
from .drawing import name_axes

PANELS = {"spearman": "relevance", "de_spearman": "differential expression"}


def agreement_matrices(agreement: pd.DataFrame, order: Sequence[str]) -> Drawing:
    """Draw Spearman's correlation of every two cohorts, mean over groups, by relevance and differential expression."""
    compared = list(dict.fromkeys([*agreement["cohort_a"], *agreement["cohort_b"]]))
    cohorts = sorted(compared, key=lambda name: order.index(name) if name in order else len(order))
    panels = {
        column: title for column, title in PANELS.items() if column in agreement and agreement[column].notna().any()
    }
    size = 1.9 + 0.55 * len(cohorts)
    figure = Figure(figsize=(size * max(1, len(panels)) + 1, size), layout="constrained")

    axes, image = [], None
    for number, (column, title) in enumerate(panels.items(), 1):
        axes.append(figure.add_subplot(1, len(panels), number))
        values = np.full((len(cohorts), len(cohorts)), np.nan)  # grey for two cohorts without a common group
        np.fill_diagonal(values, 1)
        for (a, b), mean in agreement.groupby(["cohort_a", "cohort_b"])[column].mean().items():
            i, j = cohorts.index(a), cohorts.index(b)
            values[i, j] = values[j, i] = mean

        axes[-1].set_facecolor("#dddddd")
        image = axes[-1].imshow(values, cmap=DIVERGING, vmin=-1, vmax=1)
        for i, j in np.ndindex(values.shape):
            if i != j and np.isfinite(values[i, j]):
                colour = "white" if abs(values[i, j]) > 0.6 else "black"
                axes[-1].text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", color=colour)

        name_axes(axes[-1], rows=cohorts, columns=cohorts)
        axes[-1].set_title(title)

    if image is not None:
        figure.colorbar(image, ax=axes, label="Spearman's correlation", shrink=0.8)
    return drawing(figure, shades=True)
