"""Figures of a corpus and of a continuation."""

import io

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...domain.page import AGAINST, DIVERGING, FOR, INK
from ..errors import TextError
from .html import COLUMNS

PANELS = 4  # side by side


class DisplayedFigure(Figure):
    """A figure that a notebook shows by itself, without ``%matplotlib inline``."""

    def _repr_png_(self) -> bytes:
        data = io.BytesIO()
        self.savefig(data, format="png", dpi=100)
        return data.getvalue()


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
    figure = DisplayedFigure(figsize=(3.4 * columns, rows * (0.8 + 0.24 * top)), layout="constrained")

    # All panels share one scale, so that classes can be compared.
    least, most = min(0, table["relevance"].min()), 1.05 * (table["relevance"].abs().max() or 1.0)
    for number, name in enumerate(classes):
        words = table[(table["class"] == name) & (table["rank"] <= top)]
        axes = figure.add_subplot(rows, columns, number + 1)
        heights = np.arange(len(words))
        axes.barh(heights, words["relevance"], color=FOR, height=0.7)
        labels = [f"{_one_line(word)}  ({texts})" for word, texts in zip(words["word"], words["texts"], strict=True)]
        axes.set_yticks(heights, labels)
        axes.set(xlim=(least, most), title=_one_line(str(name)))
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
    figure.supxlabel("relevance (logits); in brackets, the number of texts", fontsize=9)
    return figure


def matrix_figure(item, of: str = "words") -> Figure:
    """Draw a `ContinuationRelevance`: generated words or tokens (rows) by those read (columns).

    Of a long text, the columns with the most relevance are drawn, and the sum of the others.
    """
    pairs = item.of(of)
    strongest, others = pairs.strongest(COLUMNS)
    # The scale is that of single words: the sum of many others would outshine them.
    limit = float(np.abs(pairs.relevance).max(initial=0)) or 1.0
    shown = np.where(pairs.read, pairs.relevance, np.nan)[:, strongest]
    names = [_one_line(pairs.inputs[number].text) for number in strongest]
    if len(others):
        shown = np.column_stack([shown, pairs.relevance[:, others].sum(1)])
        names.append(f"{len(others)} others")

    outputs, inputs = shown.shape
    figure = DisplayedFigure(figsize=(2 + 0.32 * inputs, 1.6 + 0.3 * outputs), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shown, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")

    axes.set_xticks(range(inputs), names, rotation=60, ha="right")
    axes.set_yticks(range(outputs), [_one_line(text) for text in pairs.outputs])
    axes.set(xlabel="read", ylabel="generated")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, label="relevance (logits)", shrink=0.8)
    return figure


def difference_figure(item, top: int = 20) -> Figure:
    """Draw the words of a `TextDifference` with the largest differences: the relevance in both texts.

    Parameters
    ----------
    item
        From `difference`.
    top
        Number of words.
    """
    words = sorted((word for word in item.words if word.difference), key=lambda word: -abs(word.difference))[:top]
    if not words:
        raise TextError("the two explanations don't differ in any word")
    figure = DisplayedFigure(figsize=(6, 1.2 + 0.28 * len(words)), layout="constrained")
    axes = figure.add_subplot()
    heights, bars = np.arange(len(words)), []
    for side, colour, offset in (("a", FOR, -0.2), ("b", AGAINST, 0.2)):
        relevance = np.nan_to_num([getattr(word, side) for word in words])
        bars.append(axes.barh(heights + offset, relevance, height=0.38, color=colour))
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(heights, [_one_line(word.text) for word in words])
    axes.set(xlabel="relevance (logits)")
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(bars, [_one_line(name) for name in item.names], loc="outside upper right", ncols=2, frameon=False)
    return figure


def _one_line(text: str) -> str:
    """Return a text as a label: line ends are visible, and no dollar starts a formula."""
    return (text.strip() or text.replace(" ", "␣")).replace("\n", "⏎").replace("$", r"\$")
