"""Genes that cohorts agree on: robust rank aggregation, and the mean rank beside it."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError, listed
from .tables import check_ranking


def consensus(
    table: pd.DataFrame,
    *,
    direction: bool = True,
    top: int = 20,
    least_cohorts: int = 2,
    expected: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Aggregate the ranked genes of several cohorts, group by group.

    Parameters
    ----------
    table
        Ranked genes of all cohorts; see `lrp_domains.genes.rankings.tables`.
    direction
        Order genes by score times direction of expression, so that a gene whose absence speaks for a group is last,
        not first. Cohorts agree better on this.
    top
        A cohort supports a gene that is among its first `top`.
    least_cohorts
        In how many cohorts a gene must have been measured.
    expected
        The cohorts that should be there; absent ones are warned of and named in ``missing``.

    Returns
    -------
    One row per group and gene, best first: ``group``, ``gene``, ``rank``, ``rho``, ``p_adjusted``, ``mean_rank`` (0 to
    1), ``measured`` (in how many cohorts), ``supporting`` (how many do), ``cohorts`` (which do), ``missing`` (which did
    not measure it), ``direction`` (1, -1; 0 where cohorts disagree).

    Notes
    -----
    Kolde et al. 2012 (Bioinformatics 28:573, eq. 1-3): with the normalised ranks ``r_(1) <= ... <= r_(n)`` of a gene in
    the `n` cohorts that measured it, ``rho = min(1, n min_k P(Beta(k, n - k + 1) <= r_(k)))``: the chance that
    uniformly drawn ranks would be as high, with Bonferroni's correction over `k`. Ranks are normalised within each
    cohort by the number of its genes, so that platforms of different size compare. ``p_adjusted`` is rho after
    Benjamini and Hochberg over the genes of the group.
    """
    table = check_ranking(table)
    absent = sorted(set(expected or ()) - set(table["cohort"]))
    if absent:
        warnings.warn(f"no ranked genes of {listed(absent)}: the consensus is of the other cohorts", stacklevel=2)
    if direction and "direction" not in table:
        raise CohortError("the table of ranked genes has no column 'direction'; use direction=False")
    found, alone = [], []
    for group, rows in table.groupby("group", sort=False):
        if rows["cohort"].nunique() < least_cohorts:
            alone.append(f"{group} ({', '.join(rows['cohort'].unique())})")
            continue
        having = sorted({*rows["cohort"], *absent})  # a cohort without such a group is not one that lacks genes
        found.append(_of_group(rows, group, having, direction, top, least_cohorts))
    if alone:
        warnings.warn(
            f"in fewer than {least_cohorts} cohorts, so without a consensus: {listed(alone, 6)}", stacklevel=2
        )
    if not found:
        raise CohortError(
            f"no group is in {least_cohorts} cohorts, so there is nothing to agree on; the groups are "
            f"{listed(table['group'].unique(), 6)}: are they named alike in all cohorts?"
        )
    return pd.concat(found, ignore_index=True)


def signed_scores(rows: pd.DataFrame, direction: bool, column: str = "score") -> pd.DataFrame:
    """Give genes x cohorts: what genes are ordered by; NaN where a cohort didn't measure a gene."""
    values = rows[column] * rows["direction"] if direction else rows[column]
    return rows.assign(value=values).pivot(index="gene", columns="cohort", values="value")


def robust_ranks(ranks: np.ndarray) -> np.ndarray:
    """Give Kolde's rho of each gene.

    Parameters
    ----------
    ranks
        Genes x lists: normalised ranks, above 0 and up to 1; NaN where a list doesn't hold the gene.
    """
    n = (~np.isnan(ranks)).sum(1, keepdims=True)
    k = np.arange(1, ranks.shape[1] + 1)
    ordered = np.sort(ranks, axis=1)  # NaN last
    with np.errstate(invalid="ignore"):
        chance = stats.beta.cdf(ordered, k, np.maximum(n - k + 1, 1))
    chance = np.where(k <= n, chance, np.inf)
    return np.minimum(chance.min(1) * n[:, 0], 1)


def _of_group(rows, group, cohorts: list[str], direction: bool, top: int, least: int) -> pd.DataFrame:
    values = signed_scores(rows, direction).reindex(columns=cohorts)
    places = values.rank(ascending=False, method="average")
    measured = values.notna().sum(1)
    kept = measured >= least
    if not kept.any():
        raise CohortError(
            f"no gene of group '{group}' was measured in {least} cohorts; are genes named alike (symbols, Ensembl ids)?"
        )
    values, places, measured = values[kept], places[kept], measured[kept]
    ranks = places / places.max()
    signs = rows.pivot(index="gene", columns="cohort", values="direction").loc[values.index] if direction else None
    agreed = np.sign(signs.mean(1)).where(signs.abs().sum(1) == signs.sum(1).abs(), 0) if direction else 0
    first = places <= top
    rho = robust_ranks(ranks.to_numpy())
    found = pd.DataFrame(
        {
            "group": group,
            "gene": values.index,
            "rank": 0,
            "rho": rho,
            "p_adjusted": stats.false_discovery_control(rho),
            "mean_rank": ranks.mean(1).to_numpy(),
            "measured": measured.to_numpy(),
            "supporting": first.sum(1).to_numpy(),
            "cohorts": _names(first),
            "missing": _names(values.isna()),
            "direction": np.asarray(agreed, dtype=int) if direction else 0,
        }
    ).sort_values(["rho", "mean_rank", "gene"], ignore_index=True)
    return found.assign(rank=np.arange(1, len(found) + 1))


def _names(which: pd.DataFrame) -> list[str]:
    """Give for each row the names of the columns that hold."""
    names = which.columns.to_numpy(dtype=object)
    return [", ".join(names[row]) for row in which.to_numpy()]
