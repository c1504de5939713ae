"""What the report says of one cohort: what was asked, what its genes are needed for, whether it can be relied on."""

from typing import Any

import numpy as np
import pandas as pd

from .. import slots
from ..explanation.curves import ORDERS, areas, measured_in
from ..explanation.target import LABELLED, PREDICTED, SCORES
from . import figures_of_curves
from .cell_section import maps, waterfalls
from .gene_section import matrix, ranking
from .prediction_section import confusion, counted, performance_table
from .results import CohortResults

# The measures that one looks for first, and whether they are shares.
HEADLINES = {
    "held_out_accuracy": ("accuracy", True),
    "held_out_balanced_accuracy": ("balanced accuracy", True),
    "held_out_calibration_error": ("calibration error", False),
    "held_out_r2": ("R²", False),
    "held_out_spearman": ("correlation of ranks", False),
    "held_out_concordance": ("concordance", False),
}


def cohort_section(results: CohortResults, top: int) -> dict[str, Any]:
    """Give what the template of a cohort shows."""
    known, obs = results.provenance, results.adata.obs
    statistics = results.adata.uns.get(slots.GROUPS, {})
    donors = bool(statistics.get("donors", False))
    unit = "samples" if donors and len(statistics["units"]) == results.adata.n_obs else "cells"
    shares = shares_of_genes(obs)
    ranked = set(results.groups)
    return {
        "name": results.name,
        "unit": unit,
        "of_classes": results.of_classes,
        "n_cells": results.adata.n_obs,
        "n_genes": int(results.table["gene"].nunique()),
        "groups": results.groups,
        "unranked": [group for group in results.labels.cat.categories if group not in ranked],
        "known": known,
        "asked": _asked(results, unit),
        "overview": _overview(results, shares),
        "performance": performance_table(results.performance, unit),
        "confusion": confusion(results),
        "donors": donors,
        "has_interval": bool(results.table["low"].notna().any()),
        "has_p": bool(results.table["p_value"].notna().any()),
        "matrix": matrix(results),
        "rankings": [ranking(results, group, top) for group in results.groups],
        "maps": maps(results),
        "waterfalls": waterfalls(results),
        "ledger": figures_of_curves.ledger_histogram(shares, unit),
        "curves": _curves(results),
        "stability": _stability(results),
    }


def shares_of_genes(obs: pd.DataFrame) -> np.ndarray:
    """Give the share of each cell's score that its genes hold; NaN for a score of 0."""
    score = obs[slots.SCORE].to_numpy(dtype=float)
    held = score - obs[slots.REST].to_numpy(dtype=float)
    return np.divide(held, score, out=np.full(len(obs), np.nan), where=score != 0)


def _asked(results: CohortResults, unit: str) -> str:
    """Tell what was explained, in words."""
    known = results.provenance
    if not results.of_classes:
        output = "predicted value" if known["task"] == "value" else "predicted log risk"
        return f"the {output} of each of the {unit}"
    target = {
        PREDICTED: f"the class predicted for each of the {unit}",
        LABELLED: f"the class that each of the {unit} is labelled with",
    }.get(str(known["target"]), f"the class '{known['target']}' in all {unit}")
    if known["against"]:
        return f"the logit of {target}, minus that of '{known['against']}'"
    score = str(known["score"])
    return f"{score} ({SCORES[score]}) of {target}" if SCORES.get(score, score) != score else f"the {score} of {target}"


def _overview(results: CohortResults, shares: np.ndarray) -> dict[str, str]:
    """Give the numbers that one looks for first, by what they are."""
    known, numbers = results.provenance, {}
    mean = pd.Series(dtype=float) if results.performance is None else results.performance.mean(numeric_only=True)
    for column, (words, share) in HEADLINES.items():
        if np.isfinite(mean.get(column, np.nan)):
            numbers[f"{words}, held out"] = f"{100 * mean[column]:.1f}%" if share else f"{mean[column]:.3f}"
    counts = None if mean.size else counted(results)
    if counts is not None:
        right = sum(counts.loc[name, name] for name in counts.index if name in counts.columns) / counts.to_numpy().sum()
        numbers["predicted as labelled"] = f"{100 * right:.1f}%"
    if np.isfinite(shares).any():
        numbers["of a score held by genes (median)"] = f"{100 * np.nanmedian(shares):.0f}%"
    residue = abs(float(known["ledger_residue"]) / (float(known["ledger_score"]) or 1))
    numbers["of all scores unaccounted for"] = f"{residue:.0e}"
    if results.stability is not None and results.stability["spearman"].notna().any():
        numbers["rank correlation between networks"] = f"{results.stability['spearman'].mean():.2f}"
    return numbers


def _curves(results: CohortResults) -> dict[str, Any] | None:
    """Give the figure, and the area under each curve: one row a group, the orders side by side."""
    curves = results.curves
    if curves is None or curves.empty:
        return None
    found = areas(curves.assign(cohort=results.name)).set_index(["group", "order"])
    orders = [order for order in ORDERS if order in set(curves["order"])]
    ranked = set(curves["group"])
    columns = [(curve, order) for curve in ("deletion", "insertion") for order in orders]
    rows = [
        (group, [found[curve].get((group, order), np.nan) for curve, order in columns])
        for group in results.groups
        if group in ranked
    ]
    means = [np.nanmean([values[i] for _, values in rows]) for i in range(len(columns))]
    return {
        "figure": figures_of_curves.perturbation(curves[curves["group"].isin(results.groups)]),
        "orders": [figures_of_curves.ORDERS[order][0] for order in orders],
        "rows": rows,
        "mean": means,
        "most": int(curves["genes"].max()),
        "of_classes": measured_in(curves) == "probability",
    }


def _stability(results: CohortResults) -> list[dict[str, Any]] | None:
    if results.stability is None or results.stability.empty:
        return None
    return results.stability[results.stability["group"].astype(str).isin(results.groups)].to_dict("records")
