"""The gene sets that lead a ranking: GSEA's prerank, by gseapy."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ..errors import CohortError
from .consensus import signed_scores
from .gene_sets import nothing_shared, read_gene_sets
from .groups import RankedGroups, check_direction, groups_of

COLUMNS = ["cohort", "group", "term", "nes", "p_value", "p_adjusted", "genes_in_set", "leading_genes"]


def enrich(
    table: pd.DataFrame | pd.Series | RankedGroups,
    gene_sets: str | Path,
    *,
    direction: bool = True,
    smallest: int = 10,
    largest: int = 500,
    weight: float = 0.0,
    permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Test gene sets against the ranked genes of every cohort and group.

    Parameters
    ----------
    table
        Ranked genes; see `lrp_domains.genes.rankings.tables`. Or `open_tables`, to read them from files one ranking at
        a time; or the scores of one ranking, with genes as their index.
    gene_sets
        A ``.gmt`` file.
    direction
        Order genes by score and direction of expression, as `consensus` does.
    smallest, largest
        Sets with fewer or more measured genes are ignored, as are sets of all measured genes.
    weight
        The power of a gene's relevance in the running sum. With 1, GSEA's usual choice, one gene of high relevance
        carries a whole set, because most others have almost none; with 0 only the order of genes counts.
    permutations, seed
        Number of permutations of gene labels, and the seed that fixes them.

    Returns
    -------
    One row per cohort, group and set: ``cohort``, ``group``, ``term``, ``nes`` (normalised enrichment score),
    ``p_value``, ``p_adjusted`` (both 0 if no permutation was as extreme: read it as below 1 / permutations),
    ``genes_in_set``, ``leading_genes``.

    Notes
    -----
    Subramanian et al. 2005 (PNAS 102:15545), as gseapy implements it. Genes with a relevance of exactly 0, of which a
    sparse cohort has many, tie; the seed draws an order of them, so that their position carries no information. A group
    whose genes all tie has no enrichment.
    """
    settings = {"smallest": smallest, "largest": largest, "weight": weight, "permutations": permutations, "seed": seed}
    tables = list(each_enrichment(table, gene_sets, direction=direction, **settings))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def each_enrichment(
    table: pd.DataFrame | pd.Series | RankedGroups,
    gene_sets: str | Path,
    *,
    direction: bool = True,
    smallest: int = 10,
    largest: int = 500,
    weight: float = 0.0,
    permutations: int = 1000,
    seed: int = 0,
) -> Iterator[pd.DataFrame]:
    """Yield what `enrich` returns, one ranking after the other; all arguments are checked before the first."""
    ranked = groups_of(_single_ranking(table) if isinstance(table, pd.Series) else table)
    if direction:
        check_direction(ranked)
    if not 1 <= smallest <= largest:
        raise CohortError(
            f"smallest={smallest} and largest={largest} should be whole numbers, 1 <= smallest <= largest"
        )
    if permutations < 1 or weight < 0 or not 0 <= seed < 2**32:
        raise CohortError(f"permutations={permutations}, weight={weight} and seed={seed} should be at least 1, 0 and 0")
    sets = read_gene_sets(gene_sets)
    in_sets = {gene for genes in sets.values() for gene in genes}
    _check_shared(ranked, in_sets, gene_sets)

    columns = ["score", *(["direction"] if direction else [])]
    for cohort, group in ranked.rows:
        values = signed_scores(ranked.read(cohort, group, columns).set_index("gene"), direction)
        ranking = values.sort_index().sample(frac=1, random_state=seed).sort_values(ascending=False, kind="stable")
        sizes = {term: len(set(genes) & set(ranking.index)) for term, genes in sets.items()}
        most = min(largest, len(ranking) - 1)
        fitting = {term: genes for term, genes in sets.items() if smallest <= sizes[term] <= most}
        if not in_sets & set(ranking.index):
            obstacle = nothing_shared(set(ranking.index), in_sets, "the sets")
        elif not fitting:
            obstacle = f"no set has {smallest} to {most} of its genes (the largest has {max(sizes.values())})"
        else:
            obstacle = "all its genes tie" if ranking.nunique() == 1 else ""
        if obstacle:
            warnings.warn(f"group '{group}' of cohort '{cohort}' has no enrichment: {obstacle}", stacklevel=3)
            continue

        settings = {"min_size": smallest, "max_size": most, "permutation_num": permutations, "weight": weight}
        tested = _prerank(ranking, fitting, **settings, seed=seed)
        yield tested.assign(genes_in_set=tested["term"].map(sizes), cohort=cohort, group=group)[COLUMNS]


def _check_shared(ranked: RankedGroups, in_sets: set[str], gene_sets: str | Path) -> None:
    """Raise if no cohort measured a gene of the sets."""
    measured: set[str] = set()
    for cohort, group in ranked.rows:
        measured |= set(ranked.read(cohort, group, ["gene"])["gene"])
        if measured & in_sets:
            return
    raise CohortError(nothing_shared(measured, in_sets, f"the sets of '{gene_sets}'"))


def _prerank(ranking: pd.Series, gene_sets: dict[str, list[str]], **settings: object) -> pd.DataFrame:
    """Test gene sets against one ranking, the highest normalised enrichment score first."""
    import gseapy  # takes seconds to import

    with _without_logs():  # about ties, which the docstring of `enrich` mentions
        result = gseapy.prerank(ranking, gene_sets, threads=1, outdir=None, verbose=False, **settings).res2d
    return pd.DataFrame(
        {
            "term": result["Term"].astype(str),
            "nes": result["NES"].astype(float),
            "p_value": result["NOM p-val"].astype(float),
            "p_adjusted": result["FDR q-val"].astype(float),
            "leading_genes": result["Lead_genes"].str.replace(";", ", ", regex=False),
        }
    ).sort_values("nes", ascending=False)


@contextmanager
def _without_logs() -> Iterator[None]:
    """Temporarily disable logging up to warnings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _single_ranking(scores: pd.Series) -> pd.DataFrame:
    """Return a table of one ranking, in its direction."""
    table = scores.rename_axis("gene").rename("score").sort_values(ascending=False).reset_index()
    return table.assign(cohort="cohort", group="group", rank=range(1, len(table) + 1), direction=1)
