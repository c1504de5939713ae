"""The report's section on one cohort: what was explained, its genes, and how reliable they are."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ...domain import SCORES
from ...domain.page import Drawing
from ...evaluation.comparison import TOLERANCE
from ...evaluation.section import FAITHFULNESS, section
from .. import slots
from ..explanation.curves.tables import ORDERS, areas, measured_in
from ..explanation.requests.target import LABELLED, PREDICTED
from ..figures.confusion_matrix import counts_of_classes
from ..figures.conservation import conservation, shares_of_genes
from ..figures.perturbation import ORDERS as NAMES_OF_ORDERS
from ..figures.perturbation import TITLES, perturbation
from .cell_section import maps, waterfalls
from .gene_section import VOLCANOES, ranking, top_genes_figure
from .pictures import picture, pictures
from .prediction_section import confusion, performance_table
from .results import CohortResults

# The measures of the overview, and whether they are shares.
HEADLINES = {
    "held_out_accuracy": ("accuracy", True),
    "held_out_balanced_accuracy": ("balanced accuracy", True),
    "held_out_calibration_error": ("calibration error", False),
    "held_out_r2": ("R²", False),
    "held_out_spearman": ("correlation of ranks", False),
    "held_out_concordance": ("concordance", False),
}


# The genes of more groups are folded, and have a list of contents.
FOLDED_GROUPS = 12
CHANCE = "The networks are no better than chance: held-out {measure} {held_out:.2f} ± {error:.2f}, chance {chance:.2f}."
# What methods are compared by: a prediction depends on few genes.
MEASURES_COMPARED = (*FAITHFULNESS, "deletion", "ABPC@100", "deletion@100")
# What held-out performance is measured by, by task.
MEASURES = {"classes": "balanced accuracy", "value": "R²", "survival": "concordance"}


def cohort_overview(results: CohortResults) -> dict[str, Any]:
    """Return what a cohort is, and how well it is predicted: what both its page and an index show."""
    statistics = results.adata.uns.get(slots.GROUPS, {})
    by_donor = bool(statistics.get("by_donor", False))
    noun = "samples" if by_donor and len(statistics["blocks"]) == results.adata.n_obs else "cells"
    ranked = set(results.groups)
    return {
        "name": results.name,
        "noun": noun,
        "n_cells": results.adata.n_obs,
        "n_genes": int(results.table["gene"].nunique()),
        "groups": results.groups,
        "unranked": [
            group
            for group in results.labels.cat.categories
            if group not in ranked and group != results.provenance.get("reference")
        ],
        "provenance": dict(results.provenance),
        "reference": results.reference,
        "overview": _overview(results, shares_of_genes(results.adata.obs)),
        "by_donor": by_donor,
        "has_q": bool(results.table["q_value"].notna().any()),
        "at_chance": _at_chance(results),
        "residue": _residue(results),
        "is_conserved": _residue(results) <= TOLERANCE,
    }


def cohort_section(results: CohortResults, top: int) -> dict[str, Any]:
    """Return the variables of the template of a cohort."""
    overview = cohort_overview(results)
    noun = overview["noun"]
    rankings = [ranking(results, group, top) for group in results.groups]
    return overview | {
        "of_classes": results.of_classes,
        "explained": _explained(results, noun),
        "performance": performance_table(results.performance, noun),
        "confusion": confusion(results),
        "has_interval": bool(results.table["low"].notna().any()),
        "has_p": bool(results.table["p_adjusted"].notna().any()),
        "rate": results.rate,
        "top_genes": top_genes_figure(results),
        "rankings": rankings,
        "two_lists": any(len(ranking["lists"]) > 1 for ranking in rankings),
        "many": len(results.groups) > FOLDED_GROUPS,
        "volcanoes": VOLCANOES,
        "maps": maps(results),
        "waterfalls": waterfalls(results),
        "ledger": picture(lambda axes: conservation(results.adata, noun=noun, ax=axes), 4.8, 2.7),
        "curves": _curves(results),
        "stability": _stability(results),
        "comparison": _compared(results, overview["at_chance"]),
    }


def _explained(results: CohortResults, noun: str) -> str:
    """Describe what was explained."""
    score = _explained_score(results, noun)
    return f"{score}, minus that of the reference, {results.reference}" if results.reference else score


def _explained_score(results: CohortResults, noun: str) -> str:
    """Describe the score."""
    provenance = results.provenance
    if not results.of_classes:
        output = "predicted value" if provenance["task"] == "value" else "predicted log risk"
        return f"the {output} of each of the {noun}"
    target = {
        PREDICTED: f"the class predicted for each of the {noun}",
        LABELLED: f"the class that each of the {noun} is labelled with",
    }.get(str(provenance["target"]), f"the class '{provenance['target']}' in all {noun}")
    if provenance["against"]:
        return f"the logit of {target}, minus that of '{provenance['against']}'"
    score = str(provenance["score"])
    if score == "log-odds" and results.reference:
        return f"log-odds (log p / (1 − p)) of {target}"
    return f"{score} ({SCORES[score]}) of {target}" if SCORES.get(score, score) != score else f"the {score} of {target}"


def _overview(results: CohortResults, shares: np.ndarray) -> dict[str, str]:
    """Return the most important numbers, by description."""
    provenance, numbers = results.provenance, {}
    explained = "difference" if results.reference else "score"
    mean = pd.Series(dtype=float) if results.performance is None else results.performance.mean(numeric_only=True)
    for column, (words, share) in HEADLINES.items():
        if np.isfinite(mean.get(column, np.nan)):
            numbers[f"{words}, held out"] = f"{100 * mean[column]:.1f}%" if share else f"{mean[column]:.3f}"
    counts = None if mean.size else counts_of_classes(results.adata)
    if counts is not None:
        right = sum(counts.loc[name, name] for name in counts.index if name in counts.columns) / counts.to_numpy().sum()
        numbers["predicted as labelled"] = f"{100 * right:.1f}%"
    if np.isfinite(shares).any():
        numbers[f"of a {explained} accounted for by genes (median)"] = f"{100 * np.nanmedian(shares):.0f}%"
    numbers[f"of all {explained}s unaccounted for"] = f"{_residue(results):.0e}"
    if "distance_relevance" in provenance:  # computed in half precision
        words = f"of relevance changed by {provenance['precision']} instead of fp32 (of scores)"
        distances = [float(provenance[f"distance_{of}"]) for of in ("relevance", "score")]
        numbers[words] = f"{distances[0]:.1%} ({distances[1]:.1%})"
    if results.stability is not None and results.stability["spearman"].notna().any():
        numbers["rank correlation between networks"] = f"{results.stability['spearman'].mean():.2f}"
    return numbers


def _residue(results: CohortResults) -> float:
    """Return the share of all scores that neither genes nor biases account for."""
    provenance = results.provenance
    return abs(float(provenance["ledger_residue"]) / (float(provenance["ledger_score"]) or 1))


def _compared(results: CohortResults, at_chance: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the page shows of methods that were compared; None if none were."""
    if results.comparison is None:
        return None
    cautions = () if at_chance is None else (CHANCE.format(**at_chance),)
    return section(replace(results.comparison, cautions=cautions), MEASURES_COMPARED)


def _curves(results: CohortResults) -> dict[str, Any] | None:
    """Return the figure, and the area under each curve: one row per group, the orders side by side."""
    curves = results.curves
    if curves is None or curves.empty:
        return None

    heights = areas(curves.assign(cohort=results.name)).set_index(["group", "order"])
    orders = [order for order in ORDERS if order in set(curves["order"])]
    ranked = set(curves["group"])
    columns = [(curve, order) for curve in ("deletion", "insertion") for order in orders]
    rows = [
        (group, [heights[curve].get((group, order), np.nan) for curve, order in columns])
        for group in results.groups
        if group in ranked
    ]
    means = [np.nanmean([values[i] for _, values in rows]) for i in range(len(columns))]

    return {
        "figure": _curve_pictures(curves[curves["group"].isin(results.groups)]),
        "orders": [NAMES_OF_ORDERS[order][0] for order in orders],
        "rows": rows,
        "mean": means,
        "most": int(curves["genes"].max()),
        "of_classes": measured_in(curves) == "probability",
    }


def _curve_pictures(curves: pd.DataFrame) -> Drawing:
    """Draw deletion and insertion side by side."""
    draws = [lambda axes, curve=curve: perturbation(curves, curve, ax=axes) for curve in TITLES]
    return pictures(draws, columns=2, width=4.8, height=3.5)


def _at_chance(results: CohortResults) -> dict[str, Any] | None:
    """Return the numbers of a model that predicts no better than chance; None for others, and for results without."""
    provenance = results.provenance
    if not bool(provenance.get("at_chance", False)):
        return None
    names = {"held_out": "held_out", "error": "held_out_error", "chance": "chance"}
    numbers = {name: float(provenance.get(key, np.nan)) for name, key in names.items()}
    return numbers | {"measure": MEASURES.get(str(provenance["task"]), "performance")}


def _stability(results: CohortResults) -> list[dict[str, Any]] | None:
    """Return the rows of the groups that have a ranking."""
    if results.stability is None or results.stability.empty:
        return None
    return results.stability[results.stability["group"].astype(str).isin(results.groups)].to_dict("records")
