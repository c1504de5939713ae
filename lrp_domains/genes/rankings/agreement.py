"""How far the rankings of two cohorts agree, ours and those of differential expression."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from .consensus import signed_scores
from .tables import check_ranking


def agreement(table: pd.DataFrame, *, direction: bool = True, top: int = 20, persistence: float = 0.9) -> pd.DataFrame:
    """Compare every two cohorts, group by group, on the genes that both measured.

    Parameters
    ----------
    table
        Ranked genes of all cohorts; see `lrp_domains.genes.rankings.tables`.
    direction
        Order genes by score times direction of expression, as `consensus` does.
    top
        The length of the lists whose Jaccard index is taken.
    persistence
        Of rank-biased overlap: the chance that a reader goes on to the next gene.

    Returns
    -------
    One row per group and pair: ``group``, ``cohort_a``, ``cohort_b``, ``genes`` (that both measured), ``spearman``,
    ``rbo``, ``jaccard``, and the same of differential expression with the prefix ``de_`` (NaN where a table has none).
    """
    table = check_ranking(table)
    rows = []
    for group, part in table.groupby("group", sort=False):
        ours = signed_scores(part, direction)
        theirs = signed_scores(part, False, "de_score") if "de_score" in part else None
        for a, b in combinations(ours.columns, 2):
            row = {"group": group, "cohort_a": a, "cohort_b": b}
            row |= _compare(ours[[a, b]].dropna(), top, persistence, "")
            if theirs is not None:
                row |= _compare(theirs[[a, b]].dropna(), top, persistence, "de_")
            rows.append(row)
    columns = ["group", "cohort_a", "cohort_b", "genes", "spearman", "rbo", "jaccard"]
    return pd.DataFrame(rows, columns=[*columns, "de_spearman", "de_rbo", "de_jaccard"])


def rank_biased_overlap(a: np.ndarray, b: np.ndarray, persistence: float = 0.9) -> float:
    """Give the extrapolated rank-biased overlap of two orders of the same items (Webber et al. 2010, ACM TOIS 28:20).

    ``X_n / n p^n + (1 - p) / p sum_d X_d / d p^d``, with ``X_d`` the number of items that both have among their first
    `d`.
    """
    n = len(a)
    if n == 0:
        return float("nan")
    place = {item: number for number, item in enumerate(b)}
    later = np.maximum(np.arange(n), [place[item] for item in a])  # the depth at which both have seen an item
    shared = np.cumsum(np.bincount(later, minlength=n))
    depth = np.arange(1, n + 1)
    weights = persistence**depth
    overlap = (1 - persistence) / persistence * (shared / depth * weights).sum()
    return float(overlap + shared[-1] / n * weights[-1])


def _compare(values: pd.DataFrame, top: int, persistence: float, prefix: str) -> dict[str, float]:
    a, b = (values.iloc[:, side] for side in (0, 1))
    orders = [one.sort_values(ascending=False, kind="stable").index.to_numpy() for one in (a, b)]
    first = [set(order[:top]) for order in orders]
    varied = len(values) > 2 and a.nunique() > 1 and b.nunique() > 1
    found = {
        "spearman": float(stats.spearmanr(a, b)[0]) if varied else np.nan,
        "rbo": rank_biased_overlap(*orders, persistence),
        "jaccard": len(first[0] & first[1]) / len(first[0] | first[1]) if len(values) else np.nan,
    }
    return {f"{prefix}{name}": value for name, value in found.items()} | ({} if prefix else {"genes": len(values)})
