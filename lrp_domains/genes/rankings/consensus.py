"""The genes that cohorts agree on: robust rank aggregation, and the mean rank."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError, listed
from .tables import REFERENCE, check_ranking


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
        Rank genes that are lower in the group than in the rest last, those of most relevance at the very end, so that
        the leading genes are evidence for the group by their presence. Cohorts agree better on this, in part because
        the sign of expression, on which they agree, determines the order.
    top
        A cohort supports a gene that is among its top genes; of genes that tie across the end of this list none is.
    least_cohorts
        The number of cohorts in which a gene must be measured, and a group ranked.
    expected
        The cohorts that should be present; a warning is given for missing ones, and ``missing`` names them.

    Returns
    -------
    One row per group and gene, best first: ``group``, ``gene``, ``rank``, ``rho``, ``p_value``, ``p_adjusted``,
    ``mean_rank`` (0 to 1), ``measured`` (in how many cohorts), ``supporting`` (how many do), ``cohorts`` (which do),
    ``missing`` (which did not measure it), ``direction`` (1, -1; 0 if cohorts disagree). The p-values are empty unless
    genes were compared with decoys in all cohorts that rank the group.

    Notes
    -----
    Kolde et al. 2012 (Bioinformatics 28:573, eq. 1-3): with the normalised ranks ``r_(1) <= ... <= r_(n)`` of a gene in
    the `n` cohorts that measured it, ``rho = min(1, n min_k P(Beta(k, n - k + 1) <= r_(k)))``: the probability that
    uniformly drawn ranks would be as high, with Bonferroni's correction over `k`. Ranks are divided by the number of
    genes that the cohort measured, whether or not others measured them, so that platforms of different size compare;
    tied genes share the mean of their ranks.

    rho is an order, not a test: the size of relevance follows the level of expression, which is much the same in all
    cohorts, so that genes are ranked alike even where there is nothing to find. ``p_value`` is the same formula with
    the genes' p-values in place of their ranks, which decoys of like level make uniform there, whichever direction the
    genes have; ``p_adjusted`` is that after Benjamini and Hochberg over the genes of the group.
    """
    table = check_ranking(table)
    check_references(table)
    for name, value in (("top", top), ("least_cohorts", least_cohorts)):
        if value < 1 or value % 1:
            raise CohortError(f"{name}={value} should be a whole number from 1 on")
    absent = sorted(set(expected or ()) - set(table["cohort"]))
    if absent:
        warnings.warn(f"no ranked genes of {listed(absent)}: the consensus is of the other cohorts", stacklevel=2)
    if direction and "direction" not in table:
        raise CohortError("the table of ranked genes has no column 'direction'; use direction=False")

    tables, too_few_cohorts, nothing_in_common = [], [], []
    for group, rows in table.groupby("group", sort=False):
        if rows["cohort"].nunique() < least_cohorts:
            too_few_cohorts.append(f"{group} ({', '.join(rows['cohort'].unique())})")
        elif rows.groupby("gene").size().max() < least_cohorts:
            nothing_in_common.append(group)
        else:
            # A cohort that has no such group doesn't lack its genes, so it isn't counted.
            cohorts = sorted({*rows["cohort"], *absent})
            tables.append(_of_group(rows, group, cohorts=cohorts, direction=direction, top=top, least=least_cohorts))

    if not tables and nothing_in_common:
        raise CohortError(
            f"no gene of {_groups(nothing_in_common)} was measured in {least_cohorts} cohorts "
            f"({_example_genes(table)}); do cohorts use the same names (symbols, Ensembl ids)?"
        )
    if not tables:
        raise CohortError(
            f"no group is in {least_cohorts} cohorts, so there is no consensus; the groups are "
            f"{listed(too_few_cohorts, 6)}: do all cohorts use the same names?"
        )
    if too_few_cohorts:
        warnings.warn(
            f"in fewer than {least_cohorts} cohorts, so without a consensus: {listed(too_few_cohorts, 6)}", stacklevel=2
        )
    if nothing_in_common:
        warnings.warn(f"no gene of {_groups(nothing_in_common)} was measured in {least_cohorts} cohorts", stacklevel=2)
    return pd.concat(tables, ignore_index=True)


def check_references(table: pd.DataFrame) -> None:
    """Raise if cohorts were explained against different references, so that their scores answer different questions."""
    if REFERENCE not in table:
        return
    references = sorted(table[REFERENCE].replace("", "none").unique())
    if len(references) > 1:
        raise CohortError(
            f"the cohorts were explained against different references: {listed(references)}; explain all cohorts "
            "against the same one"
        )


def signed_scores(rows: pd.DataFrame, direction: bool, column: str = "score") -> pd.DataFrame:
    """Return the values that genes are ordered by, genes x cohorts; NaN if a cohort didn't measure a gene.

    With direction: the score of a gene that is higher in the group, minus the size of the score of one that is lower.
    Score times direction would rank first what is lower in a group and evidence against it: ESR1 for ER-negative.
    """
    values = rows[column].where(rows["direction"] > 0, -rows[column].abs()) if direction else rows[column]
    return rows.assign(value=values).pivot(index="gene", columns="cohort", values="value")


def among_top(values: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return which genes are among a cohort's top genes; of genes that tie across the end of the list none is."""
    return values.rank(ascending=False, method="max") <= top


def robust_ranks(ranks: np.ndarray) -> np.ndarray:
    """Compute Kolde's rho of each gene.

    Parameters
    ----------
    ranks
        Genes x lists: normalised ranks, above 0 and up to 1; NaN if a list lacks the gene.
    """
    n = (~np.isnan(ranks)).sum(1, keepdims=True)
    k = np.arange(1, ranks.shape[1] + 1)
    ordered = np.sort(ranks, axis=1)  # NaN last
    with np.errstate(invalid="ignore"):
        chance = stats.beta.cdf(ordered, k, np.maximum(n - k + 1, 1))
    chance = np.where(k <= n, chance, np.inf)
    return np.minimum(chance.min(1) * n[:, 0], 1)


def _of_group(
    rows: pd.DataFrame, group: str, *, cohorts: list[str], direction: bool, top: int, least: int
) -> pd.DataFrame:
    """Aggregate the ranked genes of one group."""
    values = signed_scores(rows, direction).reindex(columns=cohorts)
    ranks = values.rank(ascending=False, method="average") / values.notna().sum()
    tops = among_top(values, top)
    measured = values.notna().sum(1)

    # Only after ranking, because ranks are shares of all genes that a cohort measured.
    kept = measured >= least
    values, ranks, tops, measured = values[kept], ranks[kept], tops[kept], measured[kept]
    agreed: pd.Series | int = 0
    if direction:
        signs = rows.pivot(index="gene", columns="cohort", values="direction").loc[values.index]
        agreed = np.sign(signs.mean(1)).where(signs.abs().sum(1) == signs.sum(1).abs(), 0).to_numpy(dtype=int)

    p_value = _p_values(rows, values)
    table = pd.DataFrame(
        {
            "group": group,
            "gene": values.index,
            "rank": 0,
            "rho": robust_ranks(ranks.to_numpy()),
            "p_value": p_value,
            "p_adjusted": p_value if np.isnan(p_value).any() else stats.false_discovery_control(p_value),
            "mean_rank": ranks.mean(1).to_numpy(),
            "measured": measured.to_numpy(),
            "supporting": tops.sum(1).to_numpy(),
            "cohorts": _names(tops),
            "missing": _names(values.isna()),
            "direction": agreed,
        }
    ).sort_values(["rho", "mean_rank", "gene"], ignore_index=True)
    return table.assign(rank=np.arange(1, len(table) + 1))


def _p_values(rows: pd.DataFrame, values: pd.DataFrame) -> np.ndarray:
    """Combine the p-values of each gene over the cohorts that measured it; NaN if some cohort has none."""
    if "p_value" not in rows or rows["p_value"].isna().any():
        return np.full(len(values), np.nan)
    return robust_ranks(rows.pivot(index="gene", columns="cohort", values="p_value").loc[values.index].to_numpy())


def _groups(names: list[str]) -> str:
    return f"group{'s' if len(names) > 1 else ''} {listed(names, 6)}"


def _example_genes(table: pd.DataFrame) -> str:
    """Return a gene of each cohort."""
    return ", ".join(f"'{row.gene}' in '{row.cohort}'" for row in table.drop_duplicates("cohort").head(4).itertuples())


def _names(flags: pd.DataFrame) -> list[str]:
    """Return for each row the names of the columns that are True."""
    names = flags.columns.to_numpy(dtype=object)
    return [", ".join(names[row]) for row in flags.to_numpy()]
