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
        Put genes that are lower in the group than in the rest last, those of most relevance at the very end, so that
        only genes lead whose presence speaks for the group. Cohorts agree better on this; part of it is the agreement
        of expression, for its sign is in the order.
    top
        A cohort supports a gene that is among its first `top`; where a tie reaches over the end of that list, none of
        the tied genes is.
    least_cohorts
        In how many cohorts a gene must have been measured, and a group be ranked.
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
    uniformly drawn ranks would be as high, with Bonferroni's correction over `k`. Ranks are divided by the number of
    genes that the cohort measured, whether or not others measured them, so that platforms of different size compare;
    tied genes share the mean of their ranks. ``p_adjusted`` is rho after Benjamini and Hochberg over the genes of the
    group.
    """
    table = check_ranking(table)
    for name, value in (("top", top), ("least_cohorts", least_cohorts)):
        if value < 1 or value % 1:
            raise CohortError(f"{name}={value} should be a whole number from 1 on")
    absent = sorted(set(expected or ()) - set(table["cohort"]))
    if absent:
        warnings.warn(f"no ranked genes of {listed(absent)}: the consensus is of the other cohorts", stacklevel=2)
    if direction and "direction" not in table:
        raise CohortError("the table of ranked genes has no column 'direction'; use direction=False")
    found, alone, apart = [], [], []
    for group, rows in table.groupby("group", sort=False):
        if rows["cohort"].nunique() < least_cohorts:
            alone.append(f"{group} ({', '.join(rows['cohort'].unique())})")
        elif rows.groupby("gene").size().max() < least_cohorts:
            apart.append(group)
        else:
            having = sorted({*rows["cohort"], *absent})  # a cohort without such a group is not one that lacks genes
            found.append(_of_group(rows, group, having, direction, top, least_cohorts))
    if not found and apart:
        raise CohortError(
            f"no gene of {_groups(apart)} was measured in {least_cohorts} cohorts ({_first_genes(table)}); are genes "
            "named alike (symbols, Ensembl ids)?"
        )
    if not found:
        raise CohortError(
            f"no group is in {least_cohorts} cohorts, so there is nothing to agree on; the groups are "
            f"{listed(alone, 6)}: are they named alike in all cohorts?"
        )
    if alone:
        warnings.warn(
            f"in fewer than {least_cohorts} cohorts, so without a consensus: {listed(alone, 6)}", stacklevel=2
        )
    if apart:
        warnings.warn(f"no gene of {_groups(apart)} was measured in {least_cohorts} cohorts", stacklevel=2)
    return pd.concat(found, ignore_index=True)


def signed_scores(rows: pd.DataFrame, direction: bool, column: str = "score") -> pd.DataFrame:
    """Give genes x cohorts: what genes are ordered by; NaN where a cohort didn't measure a gene.

    With direction: the score of a gene that is higher in the group, minus the size of the score of one that is lower.
    Score times direction would put first what is lower in a group and speaks against it: ESR1 for ER-negative.
    """
    values = rows[column].where(rows["direction"] > 0, -rows[column].abs()) if direction else rows[column]
    return rows.assign(value=values).pivot(index="gene", columns="cohort", values="value")


def among_first(values: pd.DataFrame, top: int) -> pd.DataFrame:
    """Tell which genes are among a cohort's first; of genes that tie over the end of the list, none is."""
    return values.rank(ascending=False, method="max") <= top


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
    ranks = values.rank(ascending=False, method="average") / values.notna().sum()
    first = among_first(values, top)
    measured = values.notna().sum(1)
    kept = measured >= least
    values, ranks, first, measured = values[kept], ranks[kept], first[kept], measured[kept]
    signs = rows.pivot(index="gene", columns="cohort", values="direction").loc[values.index] if direction else None
    agreed = np.sign(signs.mean(1)).where(signs.abs().sum(1) == signs.sum(1).abs(), 0) if direction else 0
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


def _groups(names: list[str]) -> str:
    return f"group{'s' if len(names) > 1 else ''} {listed(names, 6)}"


def _first_genes(table: pd.DataFrame) -> str:
    """Name a gene of each cohort."""
    return ", ".join(f"'{row.gene}' in '{row.cohort}'" for row in table.drop_duplicates("cohort").head(4).itertuples())


def _names(which: pd.DataFrame) -> list[str]:
    """Give for each row the names of the columns that hold."""
    names = which.columns.to_numpy(dtype=object)
    return [", ".join(names[row]) for row in which.to_numpy()]
