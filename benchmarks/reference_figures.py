"""The figures of docs/reference.md: ``python -m benchmarks.reference_figures [FOLDER]``.

FOLDER holds ``minilm_sst2``, as for `benchmarks.text_lexicon`; the cells are those that come with scanpy.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrp_domains.genes import demo_cohort, relevance, train
from lrp_domains.text import TextExplainer

DOCS = Path(__file__).parents[1] / "docs"
TEXT = "The movie was not good but the acting was wonderful"
OTHER = "The movie was not bad but the acting was terrible"
CELLS, OTHERS = "CD14+ Monocyte", "CD19+ B"
COLOURS = {True: "#c0392b", False: "#2c6fbb"}
TOP = 12


def _bars(axes: Axes, names: list[str], values: np.ndarray, title: str) -> None:
    axes.barh(names, values, color=[COLOURS[value >= 0] for value in values])
    axes.axvline(0, color="black", linewidth=0.6)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def of_texts(folder: Path) -> Figure:
    explainer = TextExplainer.from_pretrained(folder / "minilm_sst2")
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    references = {
        "no reference (AttnLRP)": None,
        "against all words masked": "mask",
        "against ... bad ... terrible": OTHER,
    }
    for axes, (title, reference) in zip(figure.subplots(1, 3), references.items(), strict=True):
        result = explainer(TEXT, target="POSITIVE", reference=reference)
        # Numbered, as a word may occur twice.
        names = [f"{number} {word.text}" for number, word in enumerate(result.words, 1)]
        _bars(axes, names, np.array([word.relevance for word in result.words]), title)
    return figure


def of_genes() -> Figure:
    adata = demo_cohort()
    model = train(adata, "bulk_labels")
    cells = (adata.obs["bulk_labels"] == CELLS).to_numpy()
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    references = {
        "no reference (AttnLRP)": None,
        "against the mean cell": "mean",
        f"against the mean {OTHERS} cell": OTHERS,
    }
    for axes, (title, reference) in zip(figure.subplots(1, 3), references.items(), strict=True):
        relevance(adata, model, reference=reference)
        means = np.asarray(adata.layers["lrp"][cells].mean(0)).ravel()
        top = np.argsort(-np.abs(means))[:TOP]
        _bars(axes, list(adata.var_names[top]), means[top], title)
    figure.suptitle(f"mean relevance over {cells.sum()} {CELLS} cells", fontsize=9)
    return figure


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    default = Path(__file__).parents[2] / "shared" / "data" / "text"
    of_texts(Path(sys.argv[1]) if len(sys.argv) > 1 else default).savefig(DOCS / "reference_words.png", dpi=130)
    of_genes().savefig(DOCS / "reference_genes.png", dpi=130)
