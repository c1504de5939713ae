"""Figures of a corpus and of a continuation."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...domain.page import DIVERGING, FOR
from ..errors import TextError

PANELS = 4  # side by side


def class_words_figure(table: pd.DataFrame, top: int = 10) -> Figure:
    """Draw the top words of each class as bars, one panel per class.

    Parameters
    ----------
    table
        From `class_words`.
    top
        Number of words per class.
    """
    if table.empty:
        raise TextError("the table of words is empty: no word occurs in enough texts (see fewest=)")
    classes = list(table["class"].unique())
    columns = min(PANELS, len(classes))
    rows = -(-len(classes) // columns)
    figure = Figure(figsize=(3.4 * columns, rows * (0.8 + 0.24 * top)), layout="constrained")

    # All panels share one scale, so that classes can be compared.
    least, most = min(0, table["relevance"].min()), 1.05 * (table["relevance"].abs().max() or 1.0)
    for number, name in enumerate(classes):
        words = table[(table["class"] == name) & (table["rank"] <= top)]
        axes = figure.add_subplot(rows, columns, number + 1)
        heights = np.arange(len(words))
        axes.barh(heights, words["relevance"], color=FOR, height=0.7)
        labels = [f"{_one_line(word)}  ({texts})" for word, texts in zip(words["word"], words["texts"], strict=True)]
        axes.set_yticks(heights, labels)
        axes.set(xlim=(least, most), title=str(name))
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.supxlabel("relevance (logits); in brackets, the number of texts", fontsize=9)
    return figure


def matrix_figure(item, of: str = "words") -> Figure:
    """Draw a `ContinuationRelevance`: generated words or tokens (rows) by those read (columns)."""
    pairs = item.of(of)
    outputs, inputs = pairs.relevance.shape
    figure = Figure(figsize=(2 + 0.32 * inputs, 1.6 + 0.3 * outputs), layout="constrained")
    axes = figure.add_subplot()
    limit = float(np.abs(pairs.relevance).max()) or 1.0
    shown = np.where(pairs.read, pairs.relevance, np.nan)
    image = axes.imshow(shown, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")

    axes.set_xticks(range(inputs), [_one_line(read.text) for read in pairs.inputs], rotation=60, ha="right")
    axes.set_yticks(range(outputs), [_one_line(text) for text in pairs.outputs])
    axes.set(xlabel="read", ylabel="generated")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label="relevance (logits)", shrink=0.8)
    return figure


def _one_line(text: str) -> str:
    """Return a token's text as a label: line ends are visible, and no dollar starts a formula."""
    return (text.strip() or text.replace(" ", "␣")).replace("\n", "⏎").replace("$", r"\$")
