"""The report's section across cohorts: agreement, consensus, gene sets, known markers."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ...domain.page import Drawing
from ..errors import CohortError, choices
from ..figures.agreement_matrix import agreement_matrix, cohorts_of, size_of_agreement
from ..figures.upset import BARS, ROW, consensus_upset
from .pictures import ALL, pictures, placed_picture

SETS, MOST_FDR, LEADING = 4, 0.25, 6
# More upset plots would make a page too large, more columns or rows illegible.
UPSETS, MOST_COMBINATIONS, UPSET_COHORTS = 12, 15, 30
# Of more rows the means of each cohort are shown, and of gene sets in how many cohorts they lead.
MOST_ROWS = 1000
NAMED, LEADING_SETS = 12, 15
REQUIRED = {
    "consensus": ("group", "gene", "rank", "rho", "mean_rank", "supporting", "measured", "cohorts"),
    "agreement": ("group", "cohort_a", "cohort_b", "genes", "spearman", "rbo", "jaccard"),
    "enrichment": ("cohort", "group", "term", "nes", "p_adjusted", "genes_in_set", "leading_genes"),
    "recovery": ("cohort", "group", "markers", "found", "precision", "expected", "p_value"),
}
OPTIONAL = {
    "consensus": ("missing", "p_adjusted"),
    "agreement": ("de_spearman", "de_rbo", "de_jaccard"),
    "enrichment": (),
    "recovery": ("de_found", "de_precision"),
}
TEXT = ("cohort", "group", "gene", "cohort_a", "cohort_b", "term", "leading_genes", "cohorts", "missing")


def across_section(
    tables: dict[str, pd.DataFrame | None], *, cohorts: Sequence[str], groups: Sequence[str], top: int
) -> dict[str, Any]:
    """Return the variables of the template across cohorts; None for missing parts.

    Parameters
    ----------
    tables
        ``consensus``, ``agreement``, ``enrichment`` and ``recovery``, each of which may be None.
    cohorts, groups
        Their order.
    top
        Number of genes to show per group.
    """
    ordered = {name: checked(name, table, cohorts=cohorts, groups=groups) for name, table in tables.items()}
    return {
        "agreement": _agreement(ordered["agreement"], cohorts),
        "consensus": _consensus(ordered["consensus"], top),
        "tested": ordered["consensus"] is not None and bool(ordered["consensus"]["p_adjusted"].notna().any()),
        "enrichment": _enrichment(ordered["enrichment"]),
        "recovery": None if ordered["recovery"] is None else ordered["recovery"].to_dict("records"),
        "upset_cohorts": UPSET_COHORTS,
        "most_fdr": MOST_FDR,
        "sets": SETS,
    }


def checked(
    name: str, table: pd.DataFrame | None, *, cohorts: Sequence[str], groups: Sequence[str]
) -> pd.DataFrame | None:
    """Raise if a table lacks a column; sort it by cohort and group, in their order."""
    if table is None or (table.empty and name != "enrichment"):
        return None
    if missing := [column for column in REQUIRED[name] if column not in table]:
        raise CohortError(f"the table of {name} has no column '{missing[0]}'; {choices(missing[0], table.columns)}")

    table = table[[column for column in (*REQUIRED[name], *OPTIONAL[name]) if column in table]].copy()
    table = table.reindex(columns=[*REQUIRED[name], *OPTIONAL[name]])
    for column in set(TEXT) & set(table):
        table[column] = table[column].where(table[column].notna(), "").astype(str)
    for column, order in (("group", groups), ("cohort", cohorts)):  # sorting is stable, so the last takes precedence
        if column in table:
            position = {name: number for number, name in enumerate(order)}
            table = table.iloc[table[column].map(position).fillna(len(position)).argsort(kind="stable")]
    return table


def _agreement(agreement: pd.DataFrame | None, cohorts: Sequence[str]) -> dict[str, Any] | None:
    """Return the figure and the rows of agreement."""
    if agreement is None:
        return None
    several = len({*agreement["cohort_a"], *agreement["cohort_b"]}) > 2  # for two cohorts the table is enough
    many = len(agreement) > MOST_ROWS
    means = _means(agreement) if many else None
    order = cohorts if means is None else list(means["cohort"])
    return {
        "figure": _matrices(agreement, order) if several else None,
        "rows": [] if many else agreement.to_dict("records"),
        "means": None if means is None else means.to_dict("records"),
    }


def _means(agreement: pd.DataFrame) -> pd.DataFrame:
    """Compute the mean agreement of each cohort with all others, best first."""
    measures = [*REQUIRED["agreement"][4:], *OPTIONAL["agreement"]]
    sides = [
        agreement[[side, *measures]].rename(columns={side: "cohort"}).astype(dict.fromkeys(measures, float))
        for side in ("cohort_a", "cohort_b")
    ]
    means = pd.concat(sides).groupby("cohort", sort=True)[measures].mean()
    return means.sort_values("spearman", ascending=False, kind="stable").reset_index()


def _matrices(agreement: pd.DataFrame, cohorts: Sequence[str]) -> Drawing | None:
    """Draw the agreement of cohorts by relevance and by differential expression, where it is known."""
    measures = [name for name in ("spearman", "de_spearman") if agreement[name].notna().any()]
    draws = [
        lambda axes, measure=measure: agreement_matrix(agreement, measure, cohorts=cohorts, ax=axes)
        for measure in measures
    ]
    size = size_of_agreement(len(cohorts_of(agreement, cohorts)))
    return pictures(draws, columns=2, width=size + 0.8, height=size, colours=ALL) if draws else None


def _consensus(consensus: pd.DataFrame | None, top: int) -> dict[str, dict[str, Any]] | None:
    """Return the top rows of each group, and which cohorts support its genes."""
    if consensus is None:
        return None
    groups = {}
    for number, (group, rows) in enumerate(consensus.groupby("group", sort=False)):
        cohorts = sorted({name for names in rows["cohorts"] if names for name in names.split(", ")})
        # For two cohorts the table is enough.
        several = 2 < len(cohorts) <= UPSET_COHORTS and number < UPSETS
        shown = rows.sort_values("rank", kind="stable").head(top)
        groups[group] = {
            "rows": shown.assign(**{name: shown[name].map(_some) for name in ("cohorts", "missing")}).to_dict(
                "records"
            ),
            "upset": _upset(rows, group, cohorts) if several else None,
        }
    return groups


def _upset(rows: pd.DataFrame, group: str, cohorts: Sequence[str]) -> Drawing:
    """Draw which cohorts support the genes of a group."""
    names = 0.6 + 0.075 * min(24, max(len(name) for name in cohorts))  # room at the left, in inches
    below = 0.2 + ROW * len(cohorts)
    return placed_picture(
        lambda axes: consensus_upset(rows, group, most=MOST_COMBINATIONS, ax=axes),
        names + 4.1,
        below + BARS + 0.35,
        place=(names, below, 4.0, BARS),
    )


def _some(names: str) -> str:
    """Return the first of many names, and the number of others."""
    listed = names.split(", ")
    return names if len(listed) <= NAMED else f"{', '.join(listed[:NAMED])} and {len(listed) - NAMED} others"


def likely_sets(enrichment: pd.DataFrame) -> pd.DataFrame:
    """Return the leading sets of each cohort and group whose false discovery rate is low."""
    likely = enrichment[(enrichment["nes"] > 0) & (enrichment["p_adjusted"] <= MOST_FDR)]
    parts = [
        rows.sort_values("nes", ascending=False, kind="stable").head(SETS)
        for _, rows in likely.groupby(["cohort", "group"], sort=False)
    ]
    return pd.concat(parts) if parts else likely


def _enrichment(enrichment: pd.DataFrame | None) -> dict[str, Any] | None:
    """Return the leading sets of each cohort and group; of many cohorts, in how many a set leads a group."""
    if enrichment is None:
        return None
    likely = likely_sets(enrichment)
    if len(likely) > MOST_ROWS:
        counted = likely.groupby(["group", "term"], sort=False).agg(
            cohorts=("cohort", "nunique"), nes=("nes", "median")
        )
        counted = counted.reset_index().sort_values(["cohorts", "nes"], ascending=False, kind="stable")
        leading = [rows.head(LEADING_SETS) for _, rows in counted.groupby("group", sort=False)]
        return {"rows": [], "counted": pd.concat(leading).to_dict("records")}

    rows = likely.to_dict("records")
    for row in rows:
        leading = row["leading_genes"].split(", ")
        row["leading_genes"] = ", ".join(leading[:LEADING]) + (", …" if len(leading) > LEADING else "")
    return {"rows": rows, "counted": None}
