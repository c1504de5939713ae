"""A walk over public cohorts on the command line: ``python -m benchmarks.genes_walk FOLDER``.

FOLDER holds ``*.h5ad`` and ``genesets/PanglaoDB_markers_27_Mar_2020.tsv``. Every cohort is trained,
explained and ranked by ``lrp-domains genes run``, with decoys. Writes ``benchmarks/results/genes_walk.md``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lrp_domains.genes import agreement, consensus, marker_lists, marker_recovery, read_markers, read_table

RESULTS = Path(__file__).parent / "results"
T_CELLS = {"CD4 T cells": "T cells", "CD8 T cells": "T cytotoxic cells"}


@dataclass(frozen=True)
class Cohort:
    """A file, the column that is learnt, further options, and the cell types of known markers by group."""

    file: str
    labels: str
    options: tuple[str, ...] = ()
    markers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file and what is learnt."""
        return f"{self.file} `{self.labels}`"


BULK = ("--donor", "index", "--select")
COHORTS = (
    Cohort("breast_expos", "er", (*BULK, "er.notna()")),
    Cohort("breast_vdxs", "er", (*BULK, "er.notna()")),
    Cohort("breast_nkis", "er", (*BULK, "er.notna()", "--normalisation", "centred")),
    Cohort("breast_expos", "grade", (*BULK, "grade.notna()")),
    Cohort(
        "kang18_pbmc_ifnb",
        "cell_type",
        ("--normalisation", "log1p_cp10k", "--donor", "donor"),
        {"B cells": "B cells", "CD14+ Monocytes": "Monocytes", "FCGR3A+ Monocytes": "Monocytes", **T_CELLS},
    ),
    Cohort("kang18_pbmc_ifnb", "stim", ("--normalisation", "log1p_cp10k")),
    Cohort(
        "pancreas_xin",
        "cell_type",
        (),
        {"alpha": "Alpha cells", "beta": "Beta cells", "delta": "Delta cells", "gamma": "Gamma (PP) cells"},
    ),
    Cohort(
        "pancreas_wang",
        "cell_type",
        (),
        {
            "alpha": "Alpha cells",
            "beta": "Beta cells",
            "delta": "Delta cells",
            "gamma": "Gamma (PP) cells",
            "ductal": "Ductal cells",
            "stellate": "Pancreatic stellate cells",
            "acinar": "Acinar cells",
        },
    ),
    Cohort(
        "headneck_puram_180",
        "cell_type",
        (),
        {
            "B cell": "B cells",
            "Dendritic": "Dendritic cells",
            "Endothelial": "Endothelial cells",
            "Fibroblast": "Fibroblasts",
            "Macrophage": "Macrophages",
            "Mast": "Mast cells",
            "CD8 T cell": "T cytotoxic cells",
            "reg. T cell": "T regulatory cells",
        },
    ),
)
TOP = 10


def run(cohort: Cohort, folder: Path, out: Path) -> tuple[float, float, float]:
    """Run a cohort's command; return wall and CPU seconds, and the peak of memory in MB."""
    command = [sys.executable, "-m", "lrp_domains", "genes", "run", folder / f"{cohort.file}.h5ad", "--labels"]
    command += [cohort.labels, *cohort.options, "--fdr", "0.1", "--no-curves", "--out", out]
    start = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{cohort.name}: {command} failed")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def of_cohort(cohort: Cohort, folder: Path, out: Path, markers: dict[str, list[str]]) -> tuple[str, list[str]]:
    """Return the cohort's row, and one row per group."""
    seconds, cpu, memory = run(cohort, folder, out)
    table = read_table(out / "genes.parquet")
    performance = pd.read_csv(out / "performance.tsv", sep="\t")
    accuracy = performance["held_out_balanced_accuracy"].mean()
    known = {group: markers[cell_type] for group, cell_type in cohort.markers.items()}
    recovery = marker_recovery(table, known, top=TOP).set_index("group") if known else pd.DataFrame()
    rows = []
    for group, part in table.groupby("group", sort=False):
        leading, _ = marker_lists(table, group, top=TOP)
        found = "–"
        if group in recovery.index:
            row = recovery.loc[group]
            found = f"{row['found']} ({row['de_found']:.0f}; {row['expected'] * TOP:.1f})"
        rows.append(
            f"| {cohort.name} | {group} | {part['cells'].iloc[0]} | {', '.join(leading['gene'])} | {found} | "
            f"{part['discovery'].sum()} | {(part['p_adjusted'] <= 0.1).sum()} |"
        )
    return f"| {cohort.name} | {accuracy:.3f} | {seconds:.0f} | {cpu:.0f} | {memory:.0f} |", rows


def across(tables: list[pd.DataFrame]) -> list[str]:
    """Return the genes that the three cohorts of breast cancer agree on."""
    table = pd.concat(tables)
    shared, pairs = consensus(table), agreement(table)
    lines = ["", "## Estrogen receptor status over three cohorts", "", "| group | first genes (rho) | Jaccard (DE) |"]
    lines.append("| --- | --- | --- |")
    for group, rows in shared.groupby("group", sort=False):
        first = ", ".join(f"{row.gene} ({row.rho:.0e})" for row in rows.head(TOP).itertuples())
        pair = pairs[pairs["group"] == group]
        lines.append(f"| {group} | {first} | {pair['jaccard'].mean():.2f} ({pair['de_jaccard'].mean():.2f}) |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    markers = read_markers(folder / "genesets" / "PanglaoDB_markers_27_Mar_2020.tsv", gene="official gene symbol")
    cohorts, groups, breast = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        for number, cohort in enumerate(COHORTS):
            out = Path(temporary) / str(number)
            row, rows = of_cohort(cohort, folder, out, markers)
            cohorts.append(row)
            groups += rows
            if cohort.file.startswith("breast") and cohort.labels == "er":
                breast.append(read_table(out / "genes.parquet"))
            print(row, *rows, sep="\n", flush=True)
    text = [
        "# A walk over public cohorts",
        "",
        "`python -m benchmarks.genes_walk FOLDER`: `lrp-domains genes run` with `--fdr 0.1 --no-curves`. Balanced",
        "accuracy of held-out cells or patients (beside logistic regression: genes_accuracy.md); seconds and memory of",
        "the whole command.",
        "",
        "| cohort | balanced accuracy | seconds | CPU seconds | peak MB |",
        "| --- | --- | --- | --- | --- |",
        *cohorts,
        "",
        f"Known markers (PanglaoDB) among the first {TOP} genes: by relevance (by differential expression; by chance).",
        "Discoveries: q <= .1 (knockoff+), and adjusted p <= .1.",
        "",
        f"| cohort | group | cells | first {TOP} genes | markers | q | adjusted p |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *groups,
        *across(breast),
    ]
    RESULTS.joinpath("genes_walk.md").write_text("\n".join(text) + "\n")
