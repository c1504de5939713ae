"""The agreement of the rankings of two cohorts, by relevance and by differential expression."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError
from .consensus import among_top, check_references, signed_scores
from .tables import check_ranking

SMALLEST_WEIGHT = 1e-16  # of a depth in rank-biased overlap


def agreement(table: pd.DataFrame, *, direction: bool = True, top: int = 20, persistence: float = 0.9) -> pd.DataFrame:
    """Compare every two cohorts, group by group, on the genes that both measured.

    Parameters
    ----------
    table
        Ranked genes of all cohorts; see `lrp_domains.genes.rankings.tables`.
    direction
        Order genes by score and direction of expression, as `consensus` does.
    top
        Number of top genes whose Jaccard index is computed.
    persistence
        Of rank-biased overlap: the probability that a reader continues to the next gene.

    Returns
    -------
    One row per group and pair: ``group``, ``cohort_a``, ``cohort_b``, ``genes`` (that both measured), ``spearman``,
    ``rbo``, ``jaccard``, and the same of differential expression with the prefix ``de_`` (NaN if a table has none).

    Notes
    -----
    Tied genes, such as those without any relevance, have no order, so they can't agree: Spearman's correlation uses
    the mean of their ranks, rank-biased overlap is the mean over all orders of them, and genes that tie across the end
    of the top genes are not among these.
    """
    table = check_ranking(table)
    check_references(table)
    if top < 1 or top % 1:
        raise CohortError(f"top={top} should be a whole number from 1 on")
    if not 0 < persistence < 1:
        raise CohortError(f"persistence={persistence} should be between 0 and 1, such as 0.9")
    if direction and "direction" not in table:
        raise CohortError("the table of ranked genes has no column 'direction'; use direction=False")
    rows = []
    for group, part in table.groupby("group", sort=False):
        relevance = signed_scores(part, direction)
        differential = signed_scores(part, False, "de_score") if "de_score" in part else None
        for a, b in combinations(relevance.columns, 2):
            row = {"group": group, "cohort_a": a, "cohort_b": b}
            row |= _compare(relevance[[a, b]].dropna(), top, persistence=persistence, prefix="")
            if differential is not None:
                row |= _compare(differential[[a, b]].dropna(), top, persistence=persistence, prefix="de_")
            rows.append(row)
    columns = ["group", "cohort_a", "cohort_b", "genes", "spearman", "rbo", "jaccard"]
    return pd.DataFrame(rows, columns=[*columns, "de_spearman", "de_rbo", "de_jaccard"])


def rank_biased_overlap(a: np.ndarray, b: np.ndarray, persistence: float = 0.9) -> float:
    """Compute the extrapolated rank-biased overlap of two rankings of the same items (Webber et al. 2010, TOIS 28:20).

    ``X_n / n p^n + (1 - p) / p sum_d X_d / d p^d``, with ``X_d`` the number of items that both have among
    their first `d`. If items tie, ``X_d`` is its mean over all orders of them, drawn independently for each ranking:
    ``X_d = sum_i a_i(d) b_i(d)``, with ``a_i(d)`` the probability that item `i` is among the first `d` of `a` (Corsi
    and Urbano 2024, SIGIR, RBO^a).

    Parameters
    ----------
    a, b
        The values of the items, of which the highest comes first; item `i` is element `i` of both.
    persistence
        As in `agreement`.
    """
    n = len(a)
    if n == 0:
        return float("nan")
    deepest = min(n, math.ceil(math.log(SMALLEST_WEIGHT) / math.log(persistence)))  # deeper items have no weight
    before, tied = zip(*(_positions(-np.asarray(values)) for values in (a, b)), strict=True)
    seen = np.maximum(*before) < deepest
    total = persistence**n  # X_n = n: both have all items
    for depth in range(1, deepest + 1):
        chances = (np.clip((depth - start[seen]) / many[seen], 0, 1) for start, many in zip(before, tied, strict=True))
        total += (1 - persistence) / persistence * np.dot(*chances) / depth * persistence**depth
    return float(total)


def _positions(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each item the number of items with smaller keys, and the number with the same key."""
    before = stats.rankdata(keys, "min") - 1
    return before, stats.rankdata(keys, "max") - before


def _compare(values: pd.DataFrame, top: int, *, persistence: float, prefix: str) -> dict[str, float]:
    """Compute all measures of two columns; without a prefix also the number of genes."""
    a, b = (values.iloc[:, side].to_numpy() for side in (0, 1))
    tops = among_top(values, top).to_numpy()
    either = tops.any(1).sum()
    varied = len(values) > 2 and np.ptp(a) > 0 and np.ptp(b) > 0
    measures = {
        "spearman": float(stats.spearmanr(a, b)[0]) if varied else np.nan,
        "rbo": rank_biased_overlap(a, b, persistence),
        "jaccard": tops.all(1).sum() / either if either else np.nan,
    }
    return {f"{prefix}{name}": value for name, value in measures.items()} | ({} if prefix else {"genes": len(values)})
