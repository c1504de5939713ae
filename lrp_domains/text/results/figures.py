"""Figures of a corpus and of a continuation."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..errors import TextError

# Those who don't tell red from green read both: ColorBrewer's RdBu.
FOR, DIVERGING = "#b2182b", "RdBu_r"
PANELS = 4  # side by side


def class_words_figure(table: pd.DataFrame, top: int = 10) -> Figure:
    """Draw the first words of each class as bars, one panel a class.

    Parameters
    ----------
    table
        From `class_words`.
    top
        How many words of each class.
    """
    if table.empty:
        raise TextError("the table of words is empty: no word occurs in enough texts (see fewest=)")
    classes = list(table["class"].unique())
    columns = min(PANELS, len(classes))
    rows = -(-len(classes) // columns)
    figure = Figure(figsize=(3.4 * columns, rows * (0.8 + 0.24 * top)), layout="constrained")
    largest = table["relevance"].abs().max() or 1.0
    for number, name in enumerate(classes):
        own = table[(table["class"] == name) & (table["rank"] <= top)]
        axes = figure.add_subplot(rows, columns, number + 1)
        places = np.arange(len(own))
        axes.barh(places, own["relevance"], color=FOR, height=0.7)
        axes.set_yticks(
            places, [f"{_one_line(word)}  ({n})" for word, n in zip(own["word"], own["texts"], strict=True)]
        )
        axes.set(xlim=(min(0, table["relevance"].min()), 1.05 * largest), title=str(name))
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.supxlabel("relevance (logits); in brackets, the number of texts", fontsize=9)
    return figure


def matrix_figure(item) -> Figure:
    """Draw a `ContinuationRelevance`: tokens said (rows) by tokens read (columns)."""
    said, read = item.matrix.shape
    figure = Figure(figsize=(2 + 0.32 * read, 1.6 + 0.3 * said), layout="constrained")
    axes = figure.add_subplot()
    limit = float(np.abs(item.matrix).max()) or 1.0
    image = axes.imshow(item.matrix, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(read), [_one_line(token.text) for token in item.inputs], rotation=60, ha="right")
    axes.set_yticks(range(said), [_one_line(text) for text in item.outputs])
    axes.set(xlabel="read", ylabel="said")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label="relevance (logits)", shrink=0.8)
    return figure


def _one_line(text: str) -> str:
    """A token's text as a label: ends of lines can be seen, and no dollar starts a formula."""
    return (text.strip() or text.replace(" ", "␣")).replace("\n", "⏎").replace("$", r"\$")
