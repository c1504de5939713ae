"""From sums over groups to one row per group and gene: relevance, interval, stability, direction."""

import warnings
from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ..decoys.comparison import compared_with_decoys
from ..decoys.scores import DecoyScores
from ..errors import CohortError
from ..explanation.results.group_statistics import GroupStatistics
from .expression import direction, fold_change, sides, welch
from .marker_lists import evidence

# How genes are ordered, and what their score is.
MEAN, CONSISTENT = "mean", "consistency"
ORDERS = {
    MEAN: "mean relevance over the group's counted cells",
    CONSISTENT: "the mean times its ratio to the standard deviation over cells, m abs(m) / sd",
}
DRAWS = 200
LEAST_DONORS = 3


def ranked_genes(
    statistics: GroupStatistics,
    *,
    decoys: DecoyScores | None = None,
    cohort: str = "cohort",
    reference: str | None = None,
    order: str = MEAN,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank the genes of every group by relevance.

    Parameters
    ----------
    statistics
        From `relevance`.
    decoys
        What genes and their decoys score; without them there are no p-values and q-values.
    cohort
        Name of the cohort in the table.
    reference
        The group that cells were explained against: expression is compared with it, and it has no rows, because its
        cells were compared with their own mean. None to compare with all other cells.
    order
        One of `ORDERS`.
    seed
        Fixes the bootstrap.

    Returns
    -------
    One row per group and gene, best first; the columns are those of `lrp_domains.genes.rankings.tables`. A group
    without a counted cell has no rows.
    """
    cells = statistics.counted.sum(0)
    tests = None if decoys is None else compared_with_decoys(decoys)
    against = None if reference is None else list(statistics.groups).index(reference)
    tables = [
        _ranked_group(statistics, number, tests, cohort=cohort, reference=against, order=order, seed=seed)
        for number in range(len(statistics.groups))
        if cells[number] and number != against
    ]
    if not tables:
        other = "" if reference is None else f" than the reference '{reference}'"
        raise CohortError(f"no group{other} has a cell that was explained for it; use target='labelled'")
    empty = [str(group) for group, n in zip(statistics.groups, cells, strict=True) if n == 0]
    if empty:
        warnings.warn(
            f"no cell of {', '.join(empty)} was explained for its own group (none was predicted right), so it has no "
            "ranking; target='labelled' ranks every group",
            stacklevel=4,
        )
    return pd.concat(tables, ignore_index=True)


def stability(statistics: GroupStatistics) -> pd.DataFrame:
    """Compute the agreement of the networks (folds x seeds) on each group's genes.

    Returns
    -------
    One row per group that was explained: ``group``, ``networks`` (how many explained it), the means over all pairs of
    them of ``spearman``, the correlation of mean relevance, and of ``jaccard``, the index of their top genes, and
    ``first``, the number of top genes. Both means are NaN for a single network, which has none to agree with.

    Notes
    -----
    A network that gives all genes the same relevance, such as one that never reacts to the group, has no order and no
    top genes: its correlation and its Jaccard index with any other are 0. Genes that tie across the end of the top
    genes are not among them.
    """
    rows = []
    for number, group in enumerate(statistics.groups):
        means = _network_means(statistics, number)
        if not len(means):
            continue
        tops = _tops(means, statistics.top)
        pairs = list(combinations(range(len(means)), 2))
        correlations = [_correlation(means[a], means[b]) for a, b in pairs]
        overlaps = [(tops[a] & tops[b]).sum() / max((tops[a] | tops[b]).sum(), 1) for a, b in pairs]
        rows.append(
            {
                "group": str(group),
                "networks": len(means),
                "spearman": np.mean(correlations) if pairs else np.nan,
                "jaccard": np.mean(overlaps) if pairs else np.nan,
                "first": statistics.top,
            }
        )
    return pd.DataFrame(rows, columns=["group", "networks", "spearman", "jaccard", "first"])


def _ranked_group(
    statistics: GroupStatistics,
    number: int,
    tests: Mapping[str, pd.DataFrame] | None,
    *,
    cohort: str,
    reference: int | None,
    order: str,
    seed: int,
) -> pd.DataFrame:
    """Rank the genes of one group."""
    counted, total = statistics.counted[:, number], statistics.sums[:, number]
    n = counted.sum()
    mean = total.sum(0) / n
    spread = np.sqrt(np.maximum(statistics.squares[number] / n - mean**2, 0))

    def scored(means: np.ndarray) -> np.ndarray:
        return means if order == MEAN else _consistent(means, spread)

    score, (low, high) = scored(mean), (scored(bound) for bound in _bootstrap(total, counted, seed))
    positive = statistics.positive[number] / n
    expression = sides(statistics, number, reference)
    directions, de_score = direction(*expression), welch(*expression)

    table = pd.DataFrame(
        {
            "cohort": cohort,
            "group": str(statistics.groups[number]),
            "gene": statistics.genes.astype(str),
            "rank": 0,
            "score": score,
            "low": low,
            "high": high,
            "positive": positive,
            "negative": mean - positive,
            "effect_size": _effect_size(statistics, number),
            "share_positive": statistics.n_positive[number] / n,
            "share_top": statistics.n_top[number] / n,
            "selected": _selected(statistics, number),
            "log2_fold_change": fold_change(statistics, *expression),
            "direction": directions,
            "evidence": evidence(mean, directions, statistics.by_absence),
            "p_value": np.nan,
            "p_adjusted": np.nan,
            "de_score": de_score,
            "de_rank": pd.Series(-de_score).rank(method="first").to_numpy(),
            "cells": int(n),
        }
    )
    if tests is not None:
        table = table.assign(**tests[str(statistics.groups[number])].reindex(table["gene"]).to_dict("list"))
    return table.sort_values("score", ascending=False, kind="stable").assign(rank=np.arange(1, len(mean) + 1))


def _consistent(means: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Compute ``m |m| / sd`` over cells; m itself where relevance doesn't vary, as in a group of one cell."""
    return np.divide(means * np.abs(means), spread, out=means.copy(), where=spread > 0)


def _bootstrap(total: np.ndarray, counted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw donors or blocks with replacement, and return the middle 95 % of the means over their cells.

    The networks are held fixed, so the interval tells how the mean varies with the cells, and not with training.
    """
    total, counted = total[counted > 0], counted[counted > 0]
    blocks = len(counted)
    if blocks < LEAST_DONORS:
        return np.full(total.shape[1], np.nan), np.full(total.shape[1], np.nan)
    draws = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)
    means = (draws @ total) / (draws @ counted)[:, None]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def _effect_size(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Compute Cohen's d of relevance against the counted cells of the other groups."""
    n = statistics.counted.sum(0)
    in_group = np.arange(len(n)) == number
    totals = statistics.sums.sum(0)
    sides = []
    for side in (in_group, ~in_group):
        size = n[side].sum()
        if size < 2:
            return np.full(totals.shape[1], np.nan)
        mean = totals[side].sum(0) / size
        sides.append((size, mean, np.maximum(statistics.squares[side].sum(0) / size - mean**2, 0) * size))
    (n1, m1, s1), (n2, m2, s2) = sides
    spread = np.sqrt((s1 + s2) / (n1 + n2 - 2))
    return np.divide(m1 - m2, spread, out=np.zeros_like(m1), where=spread > 0)


def _network_means(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Compute the mean relevance in a group by each network that explained cells of it."""
    sums, cells = statistics.by_network()
    explained = cells[:, number] > 0
    return sums[explained, number] / cells[explained, number][:, None]


def _selected(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Compute the share of networks that have a gene among their top genes."""
    return _tops(_network_means(statistics, number), statistics.top).mean(0)


def _tops(means: np.ndarray, top: int) -> np.ndarray:
    """Return which genes are among each network's top genes; of those that tie across the end of the list none is."""
    return stats.rankdata(-means, "max", axis=1) <= top


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Compute Spearman's correlation; 0 if all values of a side are the same, because these have no order."""
    return float(stats.spearmanr(a, b)[0]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0
