"""The genes that cohorts agree on: robust rank aggregation, and the mean rank."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError, listed
from .groups import RankedGroups, check_direction, check_references, groups_of

Values = TypeVar("Values", pd.Series, pd.DataFrame)
GENES_AT_A_TIME = 2000  # whose chances are computed at once


def consensus(
    table: pd.DataFrame | RankedGroups,
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
        Ranked genes of all cohorts; see `lrp_domains.genes.rankings.tables`. Or `open_tables`, to read them from files
        one group at a time.
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
    ranked = groups_of(table)
    check_references(ranked)
    for name, value in (("top", top), ("least_cohorts", least_cohorts)):
        if value < 1 or value % 1:
            raise CohortError(f"{name}={value} should be a whole number from 1 on")
    absent = sorted(set(expected or ()) - set(ranked.cohorts))
    if absent:
        warnings.warn(f"no ranked genes of {listed(absent)}: the consensus is of the other cohorts", stacklevel=2)
    if direction:
        check_direction(ranked)

    columns = ["score", *(["direction"] if direction else []), *(["p_value"] if "p_value" in ranked.columns else [])]
    tables, too_few_cohorts, nothing_in_common = [], [], []
    for group, cohorts in ranked.groups.items():
        if len(cohorts) < least_cohorts:
            too_few_cohorts.append(f"{group} ({', '.join(cohorts)})")
            continue
        matrices = ranked.matrices(group, columns)
        if matrices["score"].notna().sum(1).max() < least_cohorts:
            nothing_in_common.append(group)
            continue
        # A cohort that has no such group doesn't lack its genes, so it isn't counted.
        counted = sorted({*cohorts, *absent})
        tables.append(_of_group(matrices, group, cohorts=counted, top=top, least=least_cohorts))

    if not tables and nothing_in_common:
        raise CohortError(
            f"no gene of {_groups(nothing_in_common)} was measured in {least_cohorts} cohorts "
            f"({_example_genes(ranked)}); do cohorts use the same names (symbols, Ensembl ids)?"
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


def signed_scores(matrices: Mapping[str, Values], direction: bool) -> Values:
    """Return the values that genes are ordered by, from their scores and directions.

    With direction: the score of a gene that is higher in the group, minus the size of the score of one that is lower.
    Score times direction would rank first what is lower in a group and evidence against it: ESR1 for ER-negative.
    """
    score = matrices["score"]
    return score.where(matrices["direction"] > 0, -score.abs()) if direction else score


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
    if not len(ranks):
        return np.empty(0)
    starts = range(0, len(ranks), GENES_AT_A_TIME)  # the terms of all genes at once take several times their memory
    return np.concatenate([_robust_ranks(ranks[start : start + GENES_AT_A_TIME]) for start in starts])


def _robust_ranks(ranks: np.ndarray) -> np.ndarray:
    n = (~np.isnan(ranks)).sum(1, keepdims=True)
    k = np.arange(1, ranks.shape[1] + 1)
    ordered = np.sort(ranks, axis=1)  # NaN last
    with np.errstate(invalid="ignore"):
        chance = stats.beta.cdf(ordered, k, np.maximum(n - k + 1, 1))
    chance = np.where(k <= n, chance, np.inf)
    return np.minimum(chance.min(1) * n[:, 0], 1)


def _of_group(
    matrices: Mapping[str, pd.DataFrame], group: str, *, cohorts: list[str], top: int, least: int
) -> pd.DataFrame:
    """Aggregate the ranked genes of one group, with its directions if there are any."""
    values = signed_scores(matrices, "direction" in matrices).reindex(columns=cohorts)
    ranks = values.rank(ascending=False, method="average") / values.notna().sum()
    tops = among_top(values, top)
    measured = values.notna().sum(1)

    # Only after ranking, because ranks are shares of all genes that a cohort measured.
    kept = measured >= least
    values, ranks, tops, measured = values[kept], ranks[kept], tops[kept], measured[kept]
    agreed: np.ndarray | int = 0
    if "direction" in matrices:
        signs = matrices["direction"].loc[values.index]
        agreed = np.sign(signs.mean(1)).where(signs.abs().sum(1) == signs.sum(1).abs(), 0).to_numpy(dtype=int)

    p_value = _p_values(matrices, kept)
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


def _p_values(matrices: Mapping[str, pd.DataFrame], kept: pd.Series) -> np.ndarray:
    """Combine the p-values of each gene over the cohorts that measured it; NaN if some cohort has none."""
    p_values = matrices.get("p_value")
    if p_values is None or (p_values.isna() & matrices["score"].notna()).any(axis=None):
        return np.full(int(kept.sum()), np.nan)
    return robust_ranks(p_values[kept].to_numpy())


def _groups(names: list[str]) -> str:
    return f"group{'s' if len(names) > 1 else ''} {listed(names, 6)}"


def _example_genes(ranked: RankedGroups) -> str:
    """Return a gene of each cohort."""
    names = []
    for cohort in ranked.cohorts[:4]:
        group = next(group for name, group in ranked.rows if name == cohort)
        names.append(f"'{ranked.read(cohort, group, ['gene'])['gene'].iloc[0]}' in '{cohort}'")
    return ", ".join(names)


def _names(flags: pd.DataFrame) -> list[str]:
    """Return for each row the names of the columns that are True; the same text for rows that are alike."""
    names = flags.columns.to_numpy(dtype=object)
    rows = flags.to_numpy()
    texts = {row.tobytes(): row for row in rows}
    texts = {key: ", ".join(names[row]) for key, row in texts.items()}
    return [texts[row.tobytes()] for row in rows]
