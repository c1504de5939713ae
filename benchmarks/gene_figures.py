"""The figures of docs/figures.md and of the README: ``python -m benchmarks.gene_figures``.

One cohort comes with scanpy; the consensus is of three cohorts that are made here, with markers that differ in part.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from PIL import Image

from lrp_domains.genes import (
    Training,
    agreement,
    consensus,
    curves,
    demo_cohort,
    figures,
    made_cohort,
    rank,
    relevance,
    train,
)

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "figures"
GROUP, GENE = "CD19+ B", "CD79A"
DPI = 80
SHADED = ("dot_plot", "matrix_plot", "heat_map", "embedding", "agreement_matrix")  # all colours of a scale
SHOWN = ("CD14+ Monocyte", GROUP, "CD56+ NK", "Dendritic")


def of_the_readme() -> Axes:
    """Draw the top genes of all groups of the demo cohort, of networks trained as by default."""
    adata = demo_cohort()
    relevance(adata, train(adata, "bulk_labels"))
    rank(adata)
    return figures.matrix_plot(adata, n_genes=4, swap_axes=True, figsize=(7, 9))


def of_one_cohort() -> dict[str, Callable[[], Axes]]:
    """Return the figures of the demo cohort."""
    adata = demo_cohort()
    model = train(adata, "bulk_labels", training=Training(epochs=20))
    relevance(adata, model)
    table = rank(adata)
    top = table[table["group"].isin(SHOWN)]
    return {
        "dot_plot": lambda: figures.dot_plot(adata, n_genes=3),
        "matrix_plot": lambda: figures.matrix_plot(adata, groups=SHOWN, n_genes=6, swap_axes=True),
        "heat_map": lambda: figures.heat_map(adata, groups=SHOWN, n_genes=5, figsize=(7, 4)),
        "volcano": lambda: figures.volcano(table, GROUP),
        "cell_waterfall": lambda: figures.cell_waterfall(adata, _typical_cell(adata)),
        "embedding": lambda: _side_by_side(adata),
        "group_map": lambda: figures.group_map(adata),
        "confusion_matrix": lambda: figures.confusion_matrix(adata),
        "perturbation": lambda: figures.perturbation(curves(adata, model, top, cells=60)),
        "conservation": lambda: figures.conservation(adata),
    }


def of_three_cohorts() -> dict[str, Callable[[], Axes]]:
    """Return the figures across cohorts."""
    tables = []
    for seed, name in enumerate(("lung", "blood", "spleen")):
        adata = made_cohort(cells=150, genes=200, markers=14, seed=seed)
        model = train(adata, "group", training=Training(folds=3, epochs=15))
        relevance(adata, model)
        tables.append(rank(adata, cohort=name, wilcoxon=True))
    table = pd.concat(tables)
    together, pairs = consensus(table), agreement(table)
    return {
        "consensus_upset": lambda: figures.consensus_upset(together, GROUP),
        "agreement_matrix": lambda: figures.agreement_matrix(pairs),
    }


def _typical_cell(adata: AnnData) -> str:
    """Return the cell of median score among those of the group that were explained for it."""
    scores = adata.obs.query("bulk_labels == @GROUP and lrp_target == @GROUP")["lrp_score"].sort_values()
    return str(scores.index[len(scores) // 2])


def _side_by_side(adata: AnnData) -> Axes:
    """Draw relevance next to expression."""
    _, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    figures.embedding(adata, GENE, ax=left)
    return figures.embedding(adata, GENE, values="expression", ax=right)


def main() -> None:
    """Draw every figure, and write it as a small PNG."""
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    of_the_readme().figure.savefig(DOCS / "pbmc68k_relevance.png", dpi=130, bbox_inches="tight")
    plt.close("all")
    for name, draw in (of_one_cohort() | of_three_cohorts()).items():
        buffer = io.BytesIO()
        draw().figure.savefig(buffer, dpi=DPI, bbox_inches="tight")
        plt.close("all")
        with Image.open(buffer) as image:
            picture = image.convert("RGB")
            if name not in SHADED:
                picture = picture.quantize(128, dither=Image.Dither.NONE)
            picture.save(FOLDER / f"{name}.png", optimize=True)
        print(name, (FOLDER / f"{name}.png").stat().st_size)


if __name__ == "__main__":
    main()
