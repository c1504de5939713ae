"""Methods compared on cells: ``python -m benchmarks.evidence.cells FOLDER [--study NAME]``.

FOLDER holds ``kang18_pbmc_ifnb``, ``pancreas_xin``, ``breast_nkis`` and ``breast_vdxs`` (``.h5ad``), and PanglaoDB's
markers (``genesets``). Every method of `lrp_domains.genes.evaluation` is compared on cells that the networks have not
seen, with three ways of removing genes. A study that was measured is measured again only if it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from anndata import AnnData, read_h5ad

from lrp_domains.evaluation import Comparison, paired_difference
from lrp_domains.genes import Training, demo_cohort, read_markers, train
from lrp_domains.genes.evaluation import (
    HOW,
    METHODS,
    DrawnCells,
    compare_methods,
    differential_expression,
)

from .cohorts import cohort
from .studies import rounded, run

MARKERS = "genesets/PanglaoDB_markers_27_Mar_2020.tsv"
AGAINST = "attn-lrp"
CELLS = 30  # of each group
KEPT = ("ABPC", "comprehensiveness", "sufficiency", "deletion", "deletion@100", "AUAC", "AU-MSE", "AUPRC")
# Our rules; gradient x input, which is one of the rule sets, is a rival.
RULES = ("attn-lrp", "cp-lrp", "epsilon", "epsilon-plus", "gamma", "alpha-beta", "secant", "secant-mean")
KANG = MappingProxyType(
    {
        "B cells": ("B cells",),
        "CD14+ Monocytes": ("Monocytes",),
        "FCGR3A+ Monocytes": ("Monocytes",),
        "CD4 T cells": ("T cells",),
        "CD8 T cells": ("T cells",),
    }
)
PBMC = MappingProxyType(
    {
        "CD14+ Monocyte": ("Monocytes",),
        "CD19+ B": ("B cells",),
        "CD34+": ("Hematopoietic stem cells",),
        "CD4+/CD25 T Reg": ("T cells", "T regulatory cells"),
        "CD4+/CD45RA+/CD25- Naive T": ("T cells", "T cells naive"),
        "CD4+/CD45RO+ Memory": ("T cells", "T memory cells"),
        "CD56+ NK": ("NK cells",),
        "CD8+ Cytotoxic T": ("T cells", "T cytotoxic cells"),
        "CD8+/CD45RA+ Naive Cytotoxic": ("T cells", "T cytotoxic cells"),
        "Dendritic": ("Dendritic cells",),
    }
)
PANCREAS = MappingProxyType(
    {"alpha": ("Alpha cells",), "beta": ("Beta cells",), "delta": ("Delta cells",), "gamma": ("Gamma (PP) cells",)}
)


@dataclass(frozen=True)
class Study:
    """A cohort on which methods are compared.

    Attributes
    ----------
    title
        What is learnt of which cells.
    file
        The cohort's, without ``.h5ad``, or that of patients (see `cohort`).
    labels
        The column of ``obs`` that is learnt.
    normalisation
        What its values are read as.
    markers
        PanglaoDB's cell types whose markers are those of a class.
    patients
        Whether rows are patients.
    """

    title: str
    file: str
    labels: str
    normalisation: str = "log"
    markers: Mapping[str, tuple[str, ...]] | None = None
    patients: bool = False


STUDIES = {
    "pbmc": Study("blood cells, 10 types (pbmc68k_reduced)", "pbmc68k_reduced", "bulk_labels", markers=PBMC),
    "kang": Study("blood cells, 5 types (Kang)", "kang18_pbmc_ifnb", "cell_type", "log1p_cp10k", KANG),
    "stimulation": Study("blood cells, stimulated or not (Kang)", "kang18_pbmc_ifnb", "stim", "log1p_cp10k"),
    "pancreas": Study("pancreas, 4 types (Xin)", "pancreas_xin", "cell_type", markers=PANCREAS),
    "nkis": Study("breast cancer, receptor status (NKI)", "nkis", "er", "zscore", patients=True),
    "vdxs": Study("breast cancer, receptor status (VDX)", "vdxs", "er", "zscore", patients=True),
}


def expression_times_difference(cells: DrawnCells, reference: str) -> np.ndarray:
    """Return differential expression times how far a gene of a cell is from ``"zero"`` or ``"mean"``.

    Differential expression alone doesn't know what a cell expresses; this is what a linear model with these weights
    would be explained by.
    """
    of_cells, present = cells.reference(reference), cells.cohort.present
    removed = of_cells.profiles[of_cells.of_cell[cells.rows]][:, present]
    return differential_expression(cells) * (cells.values[:, present] - removed)


METHODS_COMPARED = MappingProxyType(
    dict(METHODS)
    | {
        "differential-expression x value": lambda cells: expression_times_difference(cells, "zero"),
        "differential-expression x (value - mean)": lambda cells: expression_times_difference(cells, "mean"),
    }
)


def read(study: Study, folder: Path) -> AnnData:
    """Read the cohort of a study."""
    if study.file == "pbmc68k_reduced":
        return demo_cohort()
    return cohort(folder, study.file, study.labels) if study.patients else read_h5ad(folder / f"{study.file}.h5ad")


def markers_of(study: Study, folder: Path) -> dict[str, list[str]] | None:
    """Return the marker genes of a study's classes."""
    if study.markers is None:
        return None
    genes = read_markers(folder / MARKERS, gene="official gene symbol")
    return {name: sorted({gene for of in types for gene in genes[of]}) for name, types in study.markers.items()}


def measure(name: str, folder: Path) -> dict:
    """Compare all methods on a study's cells, with each way of removing genes."""
    study = STUDIES[name]
    adata = read(study, folder)
    model = train(
        adata,
        study.labels,
        donor="index" if study.patients else None,
        normalisation=study.normalisation,
        training=Training(),
    )
    record = {
        "title": study.title,
        "cells": f"{adata.n_obs} x {adata.n_vars}",
        "accuracy": float(model.performance["held_out_balanced_accuracy"].mean()),
        "removals": {},
    }
    for how in HOW:
        found = compare_methods(
            adata,
            model,
            methods=METHODS_COMPARED,
            how=how,
            markers=markers_of(study, folder),
            cells=CELLS,
            groupby=study.labels,
        )
        record["removals"][how] = kept(found)
    return record


def kept(found: Comparison) -> dict:
    """Return what is kept of a comparison: the table against our default, and the rivals of each rule."""
    found = replace(found, values=found.values[[name for name in KEPT if name in found.values]])
    table = found.table(AGAINST)
    return {
        "compared": len(found.values.loc[AGAINST]),
        "warnings": found.warnings(),
        "rows": rounded(table.drop(columns=["against", "best", "seconds", "samples"])),
        "best": table.query("best").groupby("measure")["method"].agg(list).to_dict(),
        "rivals": {rule: below(found, rule) for rule in RULES},
    }


def below(found: Comparison, rule: str, measure: str = "deletion") -> dict[str, list[str]]:
    """Return the rivals of which the area under the deletion curve is lower, and those beyond the paired interval."""
    values = {name: found.values.loc[name, measure].to_numpy() for name in found.methods}
    against = {name: paired_difference(values[name], values[rule]) for name in values if name not in RULES}
    return {
        "lower": [name for name, difference in against.items() if difference.mean < 0],
        "beyond the interval": [name for name, difference in against.items() if difference.high < 0],
    }


if __name__ == "__main__":
    run("cells", STUDIES, measure, "Compare methods of explanation on cells.")
