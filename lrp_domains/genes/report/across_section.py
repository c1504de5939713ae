"""What the report says across cohorts: agreement, consensus, gene sets, known markers."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import CohortError, choices
from . import figures_of_cohorts

SETS, MOST_FDR, LEADING = 4, 0.25, 6
NEEDED = {
    "consensus": ("group", "gene", "rank", "rho", "p_adjusted", "mean_rank", "supporting", "measured", "cohorts"),
    "agreement": ("group", "cohort_a", "cohort_b", "genes", "spearman", "rbo", "jaccard"),
    "enrichment": ("cohort", "group", "term", "nes", "p_adjusted", "genes_in_set", "leading_genes"),
    "recovery": ("cohort", "group", "markers", "found", "precision", "expected", "p_value"),
}
OPTIONAL = {
    "consensus": ("missing",),
    "agreement": ("de_spearman", "de_rbo", "de_jaccard"),
    "enrichment": (),
    "recovery": ("de_found", "de_precision"),
}
TEXT = ("cohort", "group", "gene", "cohort_a", "cohort_b", "term", "leading_genes", "cohorts", "missing")


def across_section(
    tables: dict[str, pd.DataFrame | None], cohorts: Sequence[str], groups: Sequence[str], top: int
) -> dict[str, Any]:
    """Give what the template across cohorts shows; None for what there is nothing of.

    Parameters
    ----------
    tables
        ``consensus``, ``agreement``, ``enrichment`` and ``recovery``, each of which may be None.
    cohorts, groups
        Their order.
    top
        How many genes to show per group.
    """
    read = {name: checked(name, table, cohorts, groups) for name, table in tables.items()}
    return {
        "agreement": _agreement(read["agreement"], cohorts),
        "consensus": _consensus(read["consensus"], top),
        "enrichment": _enrichment(read["enrichment"]),
        "recovery": None if read["recovery"] is None else read["recovery"].to_dict("records"),
        "most_fdr": MOST_FDR,
        "sets": SETS,
    }


def checked(
    name: str, table: pd.DataFrame | None, cohorts: Sequence[str], groups: Sequence[str]
) -> pd.DataFrame | None:
    """Refuse a table that lacks a column; order its cohorts and groups as everywhere else."""
    if table is None or (table.empty and name != "enrichment"):
        return None
    if absent := [column for column in NEEDED[name] if column not in table]:
        raise CohortError(
            f"the table of {name} has no column '{absent[0]}'; {choices(absent[0], [str(one) for one in table])}"
        )
    table = table[[column for column in (*NEEDED[name], *OPTIONAL[name]) if column in table]].copy()
    table = table.reindex(columns=[*NEEDED[name], *OPTIONAL[name]])
    for column in set(TEXT) & set(table):
        table[column] = table[column].where(table[column].notna(), "").astype(str)
    for column, order in (("group", groups), ("cohort", cohorts)):  # the last is what it is sorted by first
        if column in table:
            place = {one: number for number, one in enumerate(order)}
            table = table.iloc[table[column].map(place).fillna(len(place)).argsort(kind="stable")]
    return table


def _agreement(agreement: pd.DataFrame | None, cohorts: Sequence[str]) -> dict[str, Any] | None:
    if agreement is None:
        return None
    several = len({*agreement["cohort_a"], *agreement["cohort_b"]}) > 2  # two cohorts need no figure
    figure = figures_of_cohorts.agreement_matrices(agreement, cohorts) if several else None
    return {"figure": figure, "rows": agreement.to_dict("records")}


def _consensus(consensus: pd.DataFrame | None, top: int) -> dict[str, list[dict]] | None:
    if consensus is None:
        return None
    return {
        group: rows.sort_values("rank", kind="stable").head(top).to_dict("records")
        for group, rows in consensus.groupby("group", sort=False)
    }


def _enrichment(enrichment: pd.DataFrame | None) -> list[dict] | None:
    """Give the first sets of each cohort and group that are not likely to be there by chance."""
    if enrichment is None:
        return None
    found = enrichment[(enrichment["nes"] > 0) & (enrichment["p_adjusted"] <= MOST_FDR)]
    parts = [
        rows.sort_values("nes", ascending=False, kind="stable").head(SETS)
        for _, rows in found.groupby(["cohort", "group"], sort=False)
    ]
    rows = [row for part in parts for row in part.to_dict("records")]
    for row in rows:
        leading = row["leading_genes"].split(", ")
        row["leading_genes"] = ", ".join(leading[:LEADING]) + (", …" if len(leading) > LEADING else "")
    return rows
