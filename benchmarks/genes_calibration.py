"""Calibration and power of comparisons with decoys: ``python -m benchmarks.genes_calibration``.

Labels dealt at random, and planted genes of growing effect, in cells of donors and in patients. Writes
``benchmarks/results/genes_calibration.{json,md}`` and ``docs/genes_calibration.png``.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from matplotlib.figure import Figure

from lrp_domains.genes import Training, consensus, rank, relevance, train

RESULTS = Path(__file__).parent / "results"
FIGURE = Path(__file__).parents[1] / "docs" / "genes_calibration.png"
PLANTED = 20
GENES = {"cells of donors": 200, "patients": 400}
# Effects of planted genes: the ratio of their rates in cells, and standard deviations in patients.
EFFECTS = {"cells of donors": (1.3, 1.6, 2.0, 3.0), "patients": (0.5, 0.75, 1.0, 1.5)}
RATES = (0.05, 0.1, 0.2, 0.3)
MODULES = 20
MEASURES = {"q": "q_value", "adjusted p": "p_adjusted"}


def cells_of_donors(seed: int, effect: float | None) -> tuple[AnnData, np.ndarray]:
    """Return 300 cells of 20 donors, half of them cases, and which genes are linked to the case."""
    genes = GENES["cells of donors"]
    level = np.random.default_rng(0).normal(0, 1, genes)  # the same in all cohorts, as in life
    random = np.random.default_rng([1, seed])
    donor = np.repeat(np.arange(20), 15)
    case = random.permutation(np.arange(20) % 2)[donor] == 1
    rate = np.exp(level + random.normal(0, 0.3, (20, genes))[donor])
    linked = np.arange(genes) < (PLANTED if effect else 0)
    rate[:, linked] *= np.where(case, effect or 1, 1)[:, None]
    return _cohort(np.log1p(random.poisson(rate)), case, donor), linked


def patients(seed: int, effect: float | None) -> tuple[AnnData, np.ndarray]:
    """Return 100 patients whose genes vary in modules, and which genes are linked: all of four modules."""
    genes = GENES["patients"]
    random = np.random.default_rng([2, seed])
    module = np.random.default_rng(0).integers(0, MODULES, genes)
    module[:PLANTED] = np.arange(PLANTED) % 4
    case = random.permutation(np.arange(100) % 2) == 1
    shared, alone = random.normal(0, 1, (100, MODULES)), random.normal(0, 1, (100, genes))
    values = 0.8 * shared[:, module] + 0.6 * alone
    values[:, :PLANTED] += case[:, None] * (effect or 0)
    return _cohort(values, case, np.arange(100)), (module < 4) & (effect is not None)


def _cohort(values: np.ndarray, case: np.ndarray, donor: np.ndarray) -> AnnData:
    obs = pd.DataFrame({"group": np.where(case, "case", "control"), "donor": [f"d{i}" for i in donor]})
    obs.index = [f"c{i}" for i in range(len(obs))]
    return AnnData(
        values.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(values.shape[1])])
    )


KINDS = {
    "cells of donors": (cells_of_donors, {"donor": "donor"}, {}),
    "patients": (patients, {"donor": "donor", "normalisation": "centred"}, {"members": 3}),
}


def ranked(kind: str, seed: int, effect: float | None) -> tuple[pd.DataFrame, float]:
    """Return the ranked genes of a cohort, marked as planted and linked, and the seconds it took."""
    make, data, training = KINDS[kind]
    adata, linked = make(seed, effect)
    start = time.process_time()
    model = train(adata, "group", training=Training(seed=seed, **training), fdr=0.1, **data)
    relevance(adata, model, layer=None)
    table = rank(adata, cohort=f"cohort {seed}", wilcoxon=False)
    seconds = time.process_time() - start
    number = table["gene"].str[1:].astype(int)
    return table.assign(planted=(number < PLANTED) & (effect is not None), linked=linked[number]), seconds


def of_nothing(kind: str, seeds: int) -> dict[str, float]:
    """Measure labels dealt at random: in single cohorts, and in the consensus of every three of them."""
    tables, seconds = zip(*(ranked(kind, seed, None) for seed in range(seeds)), strict=True)
    triples = [consensus(pd.concat(tables[start : start + 3])) for start in range(0, seeds - 2, 3)]

    def share(tables: tuple[pd.DataFrame, ...] | list[pd.DataFrame], least: float) -> float:
        return float(np.mean([(table["p_value"] < least).mean() for table in tables]))

    def runs(tables: tuple[pd.DataFrame, ...] | list[pd.DataFrame], column: str, most: float) -> float:
        return float(np.mean([(table[column] <= most).any() for table in tables]))

    return {
        "runs": seeds,
        "p < .05": share(tables, 0.05),
        "p < .005": share(tables, 0.005),
        "runs with an adjusted p <= .05": runs(tables, "p_adjusted", 0.05),
        "runs with a q <= .1": runs(tables, "q_value", 0.1),
        "runs with a q <= .2": runs(tables, "q_value", 0.2),
        "consensus: runs": len(triples),
        "consensus: p < .05": share(triples, 0.05),
        "consensus: runs with an adjusted p <= .05": runs(triples, "p_adjusted", 0.05),
        "seconds": float(np.median(seconds)),
    }


def of_planted(kind: str, seeds: int) -> Iterator[dict[str, object]]:
    """Measure how many planted genes are found at each rate, and the share of discoveries that are not linked."""
    for effect in EFFECTS[kind]:
        tables = [ranked(kind, 1000 + seed, effect)[0] for seed in range(seeds)]
        cases = [table[table["group"] == "case"] for table in tables]
        for rate in RATES:
            for name, column in MEASURES.items():
                found = [table[table[column] <= rate] for table in cases]
                yield {
                    "kind": kind,
                    "effect": effect,
                    "rate": rate,
                    "by": name,
                    "power": float(np.mean([part["planted"].sum() / PLANTED for part in found])),
                    "false": float(np.mean([1 - part["linked"].mean() if len(part) else 0 for part in found])),
                }


def draw(planted: pd.DataFrame) -> Figure:
    """Draw power and the share of false discoveries over the rate that was asked for."""
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    for row, kind in zip(figure.subplots(2, 2, sharex=True), KINDS, strict=True):
        for axes, measure in zip(row, ("power", "false"), strict=True):
            for name, style in zip(MEASURES, ("-o", "--s"), strict=True):
                part = planted[(planted["kind"] == kind) & (planted["by"] == name)]
                for number, (effect, line) in enumerate(part.groupby("effect")):
                    label = f"{name}, effect {effect:g}"
                    axes.plot(line["rate"], line[measure], style, color=f"C{number}", markersize=3.5, label=label)
            axes.set_ylim(-0.03, 1.03 if measure == "power" else 0.43)
            axes.spines[["top", "right"]].set_visible(False)
            words = {"power": "planted genes found", "false": "share of false discoveries"}
            axes.set_title(f"{kind}: {words[measure]}", fontsize=9.5)
            axes.tick_params(labelsize=8)
        row[1].plot(RATES, RATES, color="grey", linewidth=0.8)
        handles, labels = row[0].get_legend_handles_labels()
        row[1].legend(handles, labels, fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes in row:
        axes.set_xlabel("rate that was asked for", fontsize=8.5)
    return figure


def written(nothing: dict[str, dict], planted: pd.DataFrame, seeds: int) -> str:
    """Return the results as Markdown."""
    names = list(next(iter(nothing.values())))
    lines = ["# Calibration and power of comparisons with decoys", "", "`python -m benchmarks.genes_calibration`", ""]
    lines += ["## Labels dealt at random", "", f"| | {' | '.join(nothing)} |", "| --- |" + " --- |" * len(nothing)]
    for name in names:
        lines.append(f"| {name} | {' | '.join(f'{values[name]:.3g}' for values in nothing.values())} |")
    lines += ["", f"## {PLANTED} planted genes, {seeds} cohorts per effect", ""]
    lines += ["| | effect | by | " + " | ".join(f"found at {rate:g} | false" for rate in RATES) + " |"]
    lines += ["| --- |" * (3 + 2 * len(RATES))]
    for (kind, effect, by), part in planted.groupby(["kind", "effect", "by"], sort=False):
        cells = " | ".join(f"{row.power:.2f} | {row.false:.3f}" for row in part.itertuples())
        lines.append(f"| {kind} | {effect:g} | {by} | {cells} |")
    return "\n".join(lines).replace("| --- || --- |", "| --- | --- |").replace("||", "|") + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--null", type=int, default=50, help="cohorts with labels at random, of each kind")
    parser.add_argument("--planted", type=int, default=10, help="cohorts per effect")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)

    nothing = {kind: of_nothing(kind, arguments.null) for kind in KINDS}
    planted = pd.DataFrame(row for kind in KINDS for row in of_planted(kind, arguments.planted))
    RESULTS.joinpath("genes_calibration.json").write_text(
        json.dumps({"nothing": nothing, "planted": planted.to_dict("records")}, indent=1) + "\n"
    )
    text = written(nothing, planted, arguments.planted)
    RESULTS.joinpath("genes_calibration.md").write_text(text)
    draw(planted).savefig(FIGURE, dpi=110)
    print(text)
