"""The agreement of the rankings of two cohorts, by relevance and by differential expression."""

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from ...evaluation.overlap import Positions, overlap_of, positions_of
from ..errors import CohortError
from .consensus import signed_scores
from .groups import RankedGroups, check_direction, check_references, groups_of

MEASURES = ("genes", "spearman", "rbo", "jaccard")


def agreement(
    table: pd.DataFrame | RankedGroups, *, direction: bool = True, top: int = 20, persistence: float = 0.9
) -> pd.DataFrame:
    """Compare every two cohorts, group by group, on the genes that both measured.

    Parameters
    ----------
    table
        Ranked genes of all cohorts; see `lrp_domains.genes.rankings.tables`. Or `open_tables`, to read them from files
        one group at a time.
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
    ranked = groups_of(table)
    check_references(ranked)
    if top < 1 or top % 1:
        raise CohortError(f"top={top} should be a whole number from 1 on")
    if not 0 < persistence < 1:
        raise CohortError(f"persistence={persistence} should be between 0 and 1, such as 0.9")
    if direction:
        check_direction(ranked)

    differential = "de_score" in ranked.columns
    read = ["score", *(["direction"] if direction else []), *(["de_score"] if differential else [])]
    columns = [*MEASURES, *(f"de_{name}" for name in MEASURES[1:])]
    tables = []
    for group, cohorts in ranked.groups.items():
        if len(cohorts) < 2:
            continue
        matrices = ranked.matrices(group, read)
        measures = _measures(signed_scores(matrices, direction).to_numpy(), top, persistence)
        if differential:
            of_expression = _measures(matrices["de_score"].to_numpy(), top, persistence)
            measures |= {f"de_{name}": values for name, values in of_expression.items() if name != "genes"}
        names = matrices["score"].columns.to_numpy()
        a, b = np.triu_indices(len(names), 1)
        pairs = {"group": group, "cohort_a": names[a], "cohort_b": names[b]}
        tables.append(pd.DataFrame(pairs | {name: values[a, b] for name, values in measures.items()}))
    if not tables:
        return pd.DataFrame(columns=["group", "cohort_a", "cohort_b", *columns])
    return pd.concat(tables, ignore_index=True).reindex(columns=["group", "cohort_a", "cohort_b", *columns])


def _measures(values: np.ndarray, top: int, persistence: float) -> dict[str, np.ndarray]:
    """Compute all measures of every two cohorts (columns), as matrices whose upper half is filled.

    Which genes two cohorts share depends on their platforms alone, so genes are ordered once per cohort and pair of
    platforms, rather than once per pair of cohorts.
    """
    cohorts = values.shape[1]
    measures = {name: np.full((cohorts, cohorts), np.nan) for name in MEASURES[1:]}
    measures = {"genes": np.zeros((cohorts, cohorts), int)} | measures
    platforms: dict[bytes, list[int]] = {}
    measured = ~np.isnan(values)
    for number, genes in enumerate(measured.T):
        platforms.setdefault(genes.tobytes(), []).append(number)

    for one, other in combinations_with_replacement(platforms.values(), 2):
        shared = measured[:, one[0]] & measured[:, other[0]]
        numbers = one if one is other else [*one, *other]
        pairs = [(i, j) if i < j else (j, i) for i in one for j in other if one is not other or i < j]
        if not pairs:
            continue
        positions = {number: positions_of(values[shared, number], top, persistence) for number in numbers}
        for i, j in pairs:
            a, b = positions[i], positions[j]
            measures["genes"][i, j] = shared.sum()
            measures["spearman"][i, j] = _spearman(a, b)
            measures["rbo"][i, j] = overlap_of(a, b, persistence)
            measures["jaccard"][i, j] = _jaccard(a, b)
    return measures


def _spearman(a: Positions, b: Positions) -> float:
    """Compute Spearman's correlation from centred ranks; NaN for two genes, or where all tie."""
    if len(a.centred) <= 2 or not a.spread or not b.spread:
        return np.nan
    covariance = np.dot(a.centred, b.centred) / (len(a.centred) - 1)
    return float(np.clip(covariance / b.spread / a.spread, -1, 1))


def _jaccard(a: Positions, b: Positions) -> float:
    """Compute the Jaccard index of the top genes; NaN if neither has any."""
    both = len(a.top & b.top)
    either = len(a.top) + len(b.top) - both
    return both / either if either else np.nan
