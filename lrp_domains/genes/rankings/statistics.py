"""From sums over groups to one row per group and gene: how relevant, how sure, how stable, in which direction."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError
from ..explanation.group_statistics import GroupStatistics

DRAWS = 200
LEAST_DONORS = 3


def ranked_genes(statistics: GroupStatistics, *, cohort: str = "cohort", seed: int = 0) -> pd.DataFrame:
    """Rank the genes of every group by mean relevance.

    Parameters
    ----------
    statistics
        From `relevance`.
    cohort
        What the cohort is called in the table.
    seed
        Fixes the bootstrap.

    Returns
    -------
    One row per group and gene, best first; the columns are those of `lrp_domains.genes.rankings.tables`. A group
    without a counted cell has no rows.
    """
    tables = []
    for number, group in enumerate(statistics.groups):
        counted = statistics.counted[:, number]
        if counted.sum() == 0:
            continue
        total = statistics.sums[:, number]
        n = counted.sum()
        mean = total.sum(0) / n
        low, high = _bootstrap(total, counted, seed)
        positive = statistics.positive[number] / n
        p_value = _p_values(total, counted) if statistics.donors else np.full(len(mean), np.nan)
        own, rest = _expression(statistics, number)
        de_score = _welch(statistics, number)
        tables.append(
            pd.DataFrame(
                {
                    "cohort": cohort,
                    "group": str(group),
                    "gene": statistics.genes.astype(str),
                    "rank": 0,
                    "score": mean,
                    "low": low,
                    "high": high,
                    "positive": positive,
                    "negative": mean - positive,
                    "effect_size": _effect_size(statistics, number),
                    "share_positive": statistics.n_positive[number] / n,
                    "share_top": statistics.n_first[number] / n,
                    "selected": _selected(statistics, number),
                    "log2_fold_change": _fold_change(statistics, own, rest),
                    "direction": np.where(own >= rest, 1, -1),
                    "p_value": p_value,
                    "p_adjusted": _adjusted(p_value),
                    "de_score": de_score,
                    "de_rank": pd.Series(-de_score).rank(method="first").to_numpy(),
                    "cells": int(n),
                }
            )
            .sort_values("score", ascending=False, kind="stable")
            .assign(rank=np.arange(1, len(mean) + 1))
        )
    if not tables:
        raise CohortError("no group has a cell that was explained for it; use target='labelled'")
    empty = [str(group) for group, n in zip(statistics.groups, statistics.counted.sum(0), strict=True) if n == 0]
    if empty:
        warnings.warn(
            f"no cell of {', '.join(empty)} was explained for its own group (none was predicted right), so it has no "
            "ranking; target='labelled' ranks every group",
            stacklevel=3,
        )
    return pd.concat(tables, ignore_index=True)


def stability(statistics: GroupStatistics) -> pd.DataFrame:
    """Tell how far the networks (folds x seeds) agree on each group's genes.

    Returns
    -------
    One row per group: how many networks explained it, and the means over all pairs of them of Spearman's correlation
    of mean relevance and of the Jaccard index of their first genes.
    """
    rows = []
    for number, group in enumerate(statistics.groups):
        means = _network_means(statistics, number)
        firsts = [set(np.argsort(-mean, kind="stable")[: statistics.first]) for mean in means]
        pairs = list(combinations(range(len(means)), 2))
        rows.append(
            {
                "group": str(group),
                "networks": len(means),
                "spearman": np.mean([stats.spearmanr(means[a], means[b])[0] for a, b in pairs]) if pairs else np.nan,
                "jaccard": np.mean([len(firsts[a] & firsts[b]) / len(firsts[a] | firsts[b]) for a, b in pairs])
                if pairs
                else np.nan,
                "first": statistics.first,
            }
        )
    return pd.DataFrame(rows)


def _bootstrap(total: np.ndarray, counted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw donors (or blocks of cells) with replacement: the middle 95 % of the means over their cells."""
    total, counted = total[counted > 0], counted[counted > 0]
    units = len(counted)
    if units < LEAST_DONORS:
        return np.full(total.shape[1], np.nan), np.full(total.shape[1], np.nan)
    draws = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=DRAWS)
    means = (draws @ total) / (draws @ counted)[:, None]
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def _p_values(total: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Student's t-test over donors of whether a gene's mean relevance is 0; NaN for fewer than three donors."""
    means = total[counted > 0] / counted[counted > 0][:, None]
    if len(means) < LEAST_DONORS:
        return np.full(total.shape[1], np.nan)
    error = means.std(0, ddof=1) / np.sqrt(len(means))
    t = np.divide(means.mean(0), error, out=np.zeros(total.shape[1]), where=error > 0)
    return 2 * stats.t.sf(np.abs(t), len(means) - 1)


def _adjusted(p: np.ndarray) -> np.ndarray:
    return p if np.isnan(p).any() else stats.false_discovery_control(p)


def _effect_size(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Cohen's d of relevance against the counted cells of the other groups."""
    n = statistics.counted.sum(0)
    own, rest = np.arange(len(n)) == number, np.arange(len(n)) != number
    totals = statistics.sums.sum(0)
    sides = []
    for side in (own, rest):
        size = n[side].sum()
        if size < 2:
            return np.full(totals.shape[1], np.nan)
        mean = totals[side].sum(0) / size
        sides.append((size, mean, np.maximum(statistics.squares[side].sum(0) / size - mean**2, 0) * size))
    (n1, m1, s1), (n2, m2, s2) = sides
    spread = np.sqrt((s1 + s2) / (n1 + n2 - 2))
    return np.divide(m1 - m2, spread, out=np.zeros_like(m1), where=spread > 0)


def _network_means(statistics: GroupStatistics, number: int) -> np.ndarray:
    sums, cells = statistics.by_network()
    known = cells[:, number] > 0
    return sums[known, number] / cells[known, number][:, None]


def _selected(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Share of networks that have a gene among their first."""
    means = _network_means(statistics, number)
    firsts = np.argsort(-means, axis=1, kind="stable")[:, : statistics.first]
    return np.bincount(firsts.ravel(), minlength=means.shape[1]) / len(means)


def _expression(statistics: GroupStatistics, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean expression in a group and in the rest."""
    sums, cells = statistics.expression, statistics.cells
    rest = max(cells.sum() - cells[number], 1)
    return sums[number] / max(cells[number], 1), (sums.sum(0) - sums[number]) / rest


def _fold_change(statistics: GroupStatistics, own: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Log2 fold change of expression: of logs as scanpy has it (of the means, with log1p taken back); of values around
    zero, which are taken for log2, the difference of means in the layer's own scale."""
    if statistics.normalisation in ("centred", "zscore"):
        return (own - rest) * statistics.unit
    if statistics.normalisation != "counts":
        own, rest = np.expm1(own), np.expm1(rest)
    with np.errstate(invalid="ignore", divide="ignore"):  # a mean below zero, of centred data, has no fold change
        return np.log2((own + 1e-9) / (rest + 1e-9))


def _welch(statistics: GroupStatistics, number: int) -> np.ndarray:
    """Welch's t of expression, a group against the rest: an order of genes, no test (cells are not independent)."""
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
