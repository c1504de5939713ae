"""What the report says of one cohort: its numbers, tables and figures."""

from typing import Any

import numpy as np
import pandas as pd

from .. import slots
from ..explanation.curves import areas
from ..explanation.score import SCORES
from . import figures_of_cells, figures_of_groups
from .results import CohortResults

# More genes or panels than this are hard to read in one figure.
GENES_PER_GROUP, MOST_GENES = 4, 60
MAPS = 6
WATERFALLS = 3
AGAINST = 4
# A mean over fewer cells is marked as one not to rely on.
FEW = 5


def cohort_section(results: CohortResults, top: int) -> dict[str, Any]:
    """Give what the template of a cohort shows."""
    known, obs = results.provenance, results.adata.obs
    labels, classes = results.labels, known["task"] == "classes"
    shares = _shares(obs)
    own = classes and str(known["labels"]) in obs
    return {
        "name": results.name,
        "n_cells": results.adata.n_obs,
        "n_genes": int(results.table["gene"].nunique()),
        "groups": results.groups,
        "known": known,
        "score": SCORES.get(str(known["score"]), str(known["score"])),
        "overview": _overview(results, shares),
        "performance": _performance(results.performance),
        "confusion": figures_of_groups.confusion(_as_text(obs[str(known["labels"])]), obs[slots.PREDICTED])
        if own
        else None,
        "matrix": _matrix(results),
        "rankings": [_ranking(results, group, labels, top) for group in results.groups],
        "has_donors": bool(results.table["p_value"].notna().any()),
        "maps": _maps(results, labels),
        "waterfalls": _waterfalls(results, labels),
        "ledger": figures_of_groups.ledger_histogram(shares),
        "curves": None
        if results.curves is None
        else figures_of_groups.perturbation(
            results.curves, "probability of the group's class" if classes else "output"
        ),
        "areas": None if results.curves is None else areas(results.curves).to_dict("records"),
        "stability": None if results.stability is None else results.stability.to_dict("records"),
        "few": FEW,
    }


def _overview(results: CohortResults, shares: np.ndarray) -> list[tuple[str, str]]:
    """Give the numbers one looks for first."""
    known, numbers = results.provenance, []
    if results.performance is not None:
        mean = results.performance.mean(numeric_only=True)
        for column, words in (
            ("held_out_accuracy", "held-out accuracy"),
            ("held_out_balanced_accuracy", "held-out balanced accuracy"),
            ("held_out_calibration_error", "calibration error"),
            ("held_out_r2", "held-out R²"),
            ("held_out_concordance", "held-out concordance"),
        ):
            if column in mean and np.isfinite(mean[column]):
                percent = "accuracy" in column
                numbers.append((f"{100 * mean[column]:.1f}%" if percent else f"{mean[column]:.3f}", words))
    elif known["task"] == "classes" and str(known["labels"]) in results.adata.obs:
        obs = results.adata.obs
        right = (obs[slots.PREDICTED].astype(str) == _as_text(obs[str(known["labels"])]).astype(str)).mean()
        numbers.append((f"{100 * right:.1f}%", "predicted as labelled"))
    numbers.append((f"{100 * np.median(shares):.0f}%", "of a cell's score held by genes (median)"))
    residue = abs(float(known["ledger_residue"]) / (float(known["ledger_score"]) or 1))
    numbers.append((f"{residue:.0e}", "of all scores unaccounted for"))
    if results.stability is not None and results.stability["spearman"].notna().any():
        numbers.append((f"{results.stability['spearman'].mean():.2f}", "rank correlation between networks"))
    return numbers


def _performance(performance: pd.DataFrame | None) -> dict | None:
    """Give folds as rows: the columns of held-out cells, whatever was measured."""
    if performance is None or performance.empty:
        return None
    columns = [name for name in performance if name in ("fold", "epochs") or name.startswith("held_out_")]
    shown = [name.removeprefix("held_out_").replace("_", " ") for name in columns]
    whole = [pd.api.types.is_integer_dtype(performance[name]) for name in columns]
    mean, rows = performance[columns].mean(numeric_only=True), performance[columns].to_dict("records")
    return {
        "columns": shown,
        "rows": [[_number(row[name], one) for name, one in zip(columns, whole, strict=True)] for row in rows],
        "mean": [_number(mean[name], one) for name, one in zip(columns, whole, strict=True)],
    }


def _number(value: float, whole: bool) -> str:
    return f"{value:.0f}" if whole else f"{value:.3f}"


def _matrix(results: CohortResults) -> str:
    genes: list[str] = []
    starts = []
    per_group = max(1, min(GENES_PER_GROUP, MOST_GENES // len(results.groups)))
    for group in results.groups:
        starts.append(len(genes))
        rows = results.table[results.table["group"] == group].nsmallest(per_group, "rank")
        genes += [gene for gene in rows["gene"] if gene not in genes]
    scores = results.table.pivot(index="gene", columns="group", values="score").loc[genes, results.groups]
    return figures_of_groups.relevance_matrix(scores, starts)


def _ranking(results: CohortResults, group: str, labels: pd.Series, top: int) -> dict[str, Any]:
    """For one group its first genes, beside the first by differential expression, and those that speak against it."""
    rows = results.table[results.table["group"] == group].sort_values("rank")
    other = list(rows.dropna(subset="de_rank").nsmallest(top, "de_rank")["gene"])
    first = rows.head(top)
    against = rows[rows["score"] < 0].tail(AGAINST)[::-1]
    positive = rows["score"].clip(lower=0).cumsum()
    return {
        "group": group,
        "cells": int((labels == group).sum()),
        "counted": int(rows["cells"].iloc[0]),
        "genes": [row | {"both": row["gene"] in other} for row in first.to_dict("records")],
        "differential": [{"gene": gene, "both": gene in set(first["gene"])} for gene in other],
        "shared": len(set(other) & set(first["gene"])),
        "against": against.to_dict("records"),
        "for_90": int((positive < 0.9 * positive.iloc[-1]).sum()) + 1 if positive.iloc[-1] > 0 else 0,
    }


def _maps(results: CohortResults, labels: pd.Series) -> dict[str, Any] | None:
    """Draw the embedding by group, and by the first gene of the largest groups, in the groups' own order."""
    key = next((one for one in slots.EMBEDDINGS if one in results.adata.obsm), None)
    if key is None:
        return None
    rows = results.drawn
    positions = np.asarray(results.adata.obsm[key])[rows][:, :2]
    first: dict[str, str] = {}
    for group in labels.value_counts().index:
        if group in results.groups and len(first) < MAPS:
            ranked = results.table[results.table["group"] == group]
            first.setdefault(ranked.loc[ranked["rank"].idxmin(), "gene"], group)
    genes = sorted(first, key=lambda gene: results.groups.index(first[gene]))
    relevance = results.relevance_of(rows, genes)
    titles = [f"{gene}\n(first for {first[gene]})" for gene in genes]
    return {
        "key": key,
        "drawn": len(rows),
        "groups": figures_of_cells.group_map(positions, labels.iloc[rows]),
        "genes": None if relevance is None else figures_of_cells.relevance_maps(positions, relevance, titles),
    }


def _waterfalls(results: CohortResults, labels: pd.Series) -> str | None:
    """Draw how the score of a typical cell comes about, for the largest groups: the one of median score."""
    obs, cells = results.adata.obs, []
    for group in sorted(labels.value_counts().index[:WATERFALLS], key=list(labels.cat.categories).index):
        rows = np.flatnonzero((labels == group).to_numpy())
        if slots.TARGET in obs and group in set(obs[slots.TARGET].astype(str)):
            rows = rows[(obs[slots.TARGET].astype(str) == group).to_numpy()[rows]]
        if not len(rows):
            continue
        score = obs[slots.SCORE].to_numpy()[rows]
        row = rows[np.argsort(score, kind="stable")[len(rows) // 2]]
        relevance = results.relevance_of(np.array([row]))
        if relevance is None:
            return None
        cells.append(
            {
                "title": f"{obs.index[row]}\n{group}",
                "relevance": pd.Series(relevance[0], index=results.adata.var_names),
                "rest": float(obs[slots.REST].iloc[row]),
                "score": float(obs[slots.SCORE].iloc[row]),
            }
        )
    return figures_of_cells.waterfalls(cells) if cells else None


def _shares(obs: pd.DataFrame) -> np.ndarray:
    """Give the share of each cell's score that its genes hold."""
    score = obs[slots.SCORE].to_numpy()
    return np.divide(score - obs[slots.REST].to_numpy(), score, out=np.ones(len(obs)), where=score != 0)


def _as_text(labels: pd.Series) -> pd.Series:
    return labels if isinstance(labels.dtype, pd.CategoricalDtype) else labels.astype(str).astype("category")
