"""Logos: letters drawn as high as numbers, such as their relevance."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure


def logo_figure(heights: np.ndarray, alphabet: str, first: int = 0) -> Figure:
    """Draw letters with a scale, as high as L x A numbers; the first one is at position `first` + 1."""
    import logomaker

    # What nobody would see isn't drawn, as each letter takes time.
    heights = np.where(np.abs(heights) < 0.02 * np.abs(heights).max(initial=0), 0.0, heights)

    figure = Figure(figsize=(1.2 + 0.13 * max(20, len(heights)), 1.5), layout="constrained")
    axes = figure.add_subplot(ylabel="relevance")
    table = pd.DataFrame(heights, columns=list(alphabet), index=np.arange(first + 1, first + 1 + len(heights)))
    logomaker.Logo(table, ax=axes, color_scheme="classic" if set(alphabet) <= set("ACGTU") else "chemistry")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
