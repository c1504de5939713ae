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
from ..explanation.group_statistics import GroupStatistics

DRAWS = 200
LEAST_DONORS = 3


def ranked_genes(
    statistics: GroupStatistics, *, decoys: DecoyScores | None = None, cohort: str = "cohort", seed: int = 0
) -> pd.DataFrame:
    """Rank the genes of every group by mean relevance.

    Parameters
    ----------
    statistics
        From `relevance`.
    decoys
        What genes and their decoys score; without them there are no p-values and q-values.
    cohort
        Name of the cohort in the table.
    seed
        Fixes the bootstrap.

    Returns
    -------
    One row per group and gene, best first; the columns are those of `lrp_domains.genes.rankings.tables`. A group
    without a counted cell has no rows.
    """
    cells = statistics.counted.sum(0)
    tests = None if decoys is None else compared_with_decoys(decoys)
    tables = [
        _ranked_group(statistics, number, tests, cohort=cohort, seed=seed)
        for number in range(len(statistics.groups))
        if cells[number]
    ]
    if not tables:
        raise CohortError("no group has a cell that was explained for it; use target='labelled'")
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
    One row per group: ``group``, ``networks`` (how many explained it), the means over all pairs of them of
    ``spearman``, the correlation of mean relevance, and of ``jaccard``, the index of their top genes, and ``first``,
    the number of top genes.
    """
    rows = []
    for number, group in enumerate(statistics.groups):
        means = _network_means(statistics, number)
        tops = [set(np.argsort(-mean, kind="stable")[: statistics.top]) for mean in means]
        pairs = list(combinations(range(len(means)), 2))
        correlations = [stats.spearmanr(means[a], means[b])[0] for a, b in pairs]
        overlaps = [len(tops[a] & tops[b]) / len(tops[a] | tops[b]) for a, b in pairs]
        rows.append(
            {
                "group": str(group),
                "networks": len(means),
                "spearman": np.mean(correlations) if pairs else np.nan,
                "jaccard": np.mean(overlaps) if pairs else np.nan,
                "first": statistics.top,
            }
        )
    return pd.DataFrame(rows)


def _ranked_group(
    statistics: GroupStatistics, number: int, tests: Mapping[str, pd.DataFrame] | None, *, cohort: str, seed: int
) -> pd.DataFrame:
    """Rank the genes of one group."""
    counted, total = statistics.counted[:, number], statistics.sums[:, number]
    n = counted.sum()
    mean = total.sum(0) / n
    low, high = _bootstrap(total, counted, seed)
    positive = statistics.positive[number] / n
    expression, rest = _expression(statistics, number)
    de_score = _welch(statistics, number)

    table = pd.DataFrame(
        {
            "cohort": cohort,
            "group": str(statistics.groups[number]),
            "gene": statistics.genes.astype(str),
            "rank": 0,
            "score": mean,
            "low": low,
            "high": high,
            "positive": positive,
            "negative": mean - positive,
            "effect_size": _effect_size(statistics, number),
            "share_positive": statistics.n_positive[number] / n,
            "share_top": statistics.n_top[number] / n,
            "selected": _selected(statistics, number),
            "log2_fold_change": _fold_change(statistics, expression, rest),
            "direction": np.where(expression >= rest, 1, -1),
            "p_value": np.nan,
            "p_adjusted": np.nan,
            "de_score": de_score,
            "de_rank": pd.Series(-de_score).rank(method="first").to_numpy(),
            "cells": int(n),
        }
    )
    if tests is not None:
        table = table.assign(**tests[str(statistics.groups[number])].loc[table["gene"]].to_dict("list"))
    return table.sort_values("score", ascending=False, kind="stable").assign(rank=np.arange(1, len(mean) + 1))


def _bootstrap(total: np.ndarray, counted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw donors or blocks with replacement, and return the middle 95 % of the means over their cells."""
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
    means = _network_means(statistics, number)
    tops = np.argsort(-means, axis=1, kind="stable")[:, : statistics.top]
    return np.bincount(tops.ravel(), minlength=means.shape[1]) / len(means)


def _expression(statistics: GroupStatistics, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean expression in a group and in the rest."""
    sums, cells = statistics.expression, statistics.cells
    n_rest = max(cells.sum() - cells[number], 1)
    return sums[number] / max(cells[number], 1), (sums.sum(0) - sums[number]) / n_rest


def _fold_change(statistics: GroupStatistics, expression: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Compute the log2 fold change of expression.

    Of logs as in scanpy: of the means, converted back by expm1. Of values around zero, which are taken to be log2, it
    is the difference of means on the layer's scale.
    """
    if statistics.normalisation in ("centred", "zscore"):
        return (expression - rest) * statistics.scale
    if statistics.normalisation != "counts":
        expression, rest = np.expm1(expression), np.expm1(rest)
    with np.errstate(invalid="ignore", divide="ignore"):  # a mean below zero, of centred data, has no fold change
        return np.log2((expression + 1e-9) / (rest + 1e-9))


def _welch(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Compute Welch's t of expression, a group against the rest.

    It orders genes and isn't a test, because cells are not independent.
    """
    cells = statistics.cells
    n1, n2 = cells[number], cells.sum() - cells[number]
    if min(n1, n2) < 2:
        return np.full(statistics.expression.shape[1], np.nan)
    m1, m2 = _expression(statistics, number)
    squares = statistics.expression_squares
    v1 = np.maximum(squares[number] / n1 - m1**2, 0) * n1 / (n1 - 1)
    v2 = np.maximum((squares.sum(0) - squares[number]) / n2 - m2**2, 0) * n2 / (n2 - 1)
    error = np.sqrt(v1 / n1 + v2 / n2)
    return np.divide(m1 - m2, error, out=np.zeros_like(m1), where=error > 0)
