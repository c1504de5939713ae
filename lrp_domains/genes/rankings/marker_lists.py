"""Genes that speak for a group by their presence, apart from those that do by their absence."""

import numpy as np
import pandas as pd

from ..errors import CohortError, choices, listed
from .tables import check_ranking

PRESENCE, ABSENCE, AGAINST, NONE = EVIDENCE = ("presence", "absence", "against", "none")


def evidence(score: np.ndarray, direction: np.ndarray, by_absence: bool) -> np.ndarray:
    """Return what genes tell of a group: a word of `EVIDENCE` each.

    Parameters
    ----------
    score
        Mean relevance.
    direction
        1, or -1 where mean expression in the group is below that of the rest.
    by_absence
        Whether a gene has relevance in cells that don't express it, as with values around zero or against a mean. Then
        one that is lower in the group and raises the score is evidence by its absence. Otherwise all relevance is of
        expressed genes, however many cells of other groups express them too.
    """
    absent = by_absence & (direction < 0)
    return np.select([score < 0, score == 0, absent], [AGAINST, NONE, ABSENCE], PRESENCE).astype(object)


def marker_scores(rows: pd.DataFrame, *, absent: bool = False) -> pd.Series:
    """Return what orders a group's genes: the score of genes that are higher in it, minus its size for the others.

    Genes that raise the score and are higher in the group come first; those of most relevance among the lower ones come
    last. With `absent` the reverse holds: genes that raise the score and are lower in the group come first.
    """
    leads = rows["direction"] < 0 if absent else rows["direction"] > 0
    return rows["score"].where(leads, -rows["score"].abs())


def in_marker_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the ranked genes of a group with markers first: by score, or by `marker_scores` if some are absent."""
    if has_absence(rows):
        return rows.loc[marker_scores(rows).sort_values(ascending=False, kind="stable").index]
    return rows.sort_values("rank", kind="stable")


def has_absence(rows: pd.DataFrame) -> bool:
    """Return whether some genes are evidence by their absence; a table without this column has none."""
    return "evidence" in rows and bool((rows["evidence"] == ABSENCE).any())


def marker_lists(table: pd.DataFrame, group: str, *, top: int = 10) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the top genes of a group in two lists: evidence by presence, which are its markers, and by absence.

    Parameters
    ----------
    table
        Ranked genes of one cohort, from `rank`; see `lrp_domains.genes.rankings.tables`.
    group
        The group.
    top
        Number of genes per list.

    Returns
    -------
    Two parts of the table, best first, each of up to `top` genes with a score above 0. The second is empty where genes
    have relevance only in cells that express them, as with log-normalised counts.

    Examples
    --------
    >>> present, absent = marker_lists(table, "ER-negative")
    >>> present["gene"].tolist()
    """
    table = check_ranking(table)
    if top < 1 or top % 1:
        raise CohortError(f"top={top} should be a whole number from 1 on")
    if table["cohort"].nunique() > 1:
        raise CohortError(f"the table is of several cohorts ({listed(table['cohort'].unique(), 5)}); pass one of them")
    rows = table[table["group"] == group].sort_values("rank", kind="stable")
    if rows.empty:
        raise CohortError(f"the table has no group '{group}'; {choices(group, table['group'].unique())}")
    absent = rows["evidence"] == ABSENCE if "evidence" in rows else pd.Series(False, index=rows.index)
    raising = rows["score"] > 0
    return rows[raising & ~absent].head(top), rows[raising & absent].head(top)
