"""Which gene sets lead a ranking: GSEA's prerank, by gseapy; and how many known markers do."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import CohortError, listed
from .consensus import signed_scores
from .tables import check_ranking

COLUMNS = ["cohort", "group", "term", "nes", "p_value", "p_adjusted", "genes_in_set", "leading_genes"]


def enrich(
    table: pd.DataFrame,
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
        Ranked genes; see `lrp_domains.genes.rankings.tables`.
    gene_sets
        A ``.gmt`` file.
    direction
        Order genes by score times direction of expression, as `consensus` does.
    smallest, largest
        Sets with fewer or more measured genes are left out.
    weight
        The power of a gene's relevance in the running sum. With 1, GSEA's usual choice, one gene of high relevance
        carries a set alone, for most others hold next to nothing; with 0 only the order of genes counts.
    permutations, seed
        Of gene labels, and what fixes them.

    Returns
    -------
    One row per cohort, group and set: ``cohort``, ``group``, ``term``, ``nes`` (normalised enrichment score),
    ``p_value``, ``p_adjusted``, ``genes_in_set``, ``leading_genes``.

    Notes
    -----
    Subramanian et al. 2005 (PNAS 102:15545), as gseapy implements it. Genes with a relevance of exactly 0, which a
    sparse cohort has many of, tie; they are drawn into an order by the seed, so that their place says nothing.
    """
    import gseapy  # seconds to import, needed by few

    table = check_ranking(table)
    sets = read_gene_sets(gene_sets)
    measured = set(table["gene"])
    known = {gene for genes in sets.values() for gene in genes}
    if not measured & known:
        raise CohortError(
            f"no measured gene ({listed(sorted(measured), 3)}) is in the sets of '{gene_sets}' "
            f"({listed(sorted(known), 3)}); do both use symbols of the same species?"
        )
    found = []
    for (cohort, group), rows in table.groupby(["cohort", "group"], sort=False):
        values = signed_scores(rows, direction and "direction" in rows).iloc[:, 0]
        ranking = values.sort_index().sample(frac=1, random_state=seed).sort_values(ascending=False, kind="stable")
        sizes = {term: len(set(genes) & set(ranking.index)) for term, genes in sets.items()}
        fitting = {term: genes for term, genes in sets.items() if smallest <= sizes[term] <= largest}
        if not fitting:
            warnings.warn(
                f"no set has {smallest} to {largest} of the genes of cohort '{cohort}' (the largest has "
                f"{max(sizes.values())}), so it has no enrichment",
                stacklevel=2,
            )
            continue
        with _without_logs():  # of ties, which the docstring speaks of
            result = gseapy.prerank(
                ranking, gene_sets=fitting, min_size=smallest, max_size=largest, permutation_num=permutations,
                weight=weight, seed=seed, threads=1, outdir=None, verbose=False,
            ).res2d  # fmt: skip
        found.append(
            pd.DataFrame(
                {
                    "cohort": cohort,
                    "group": group,
                    "term": result["Term"].astype(str),
                    "nes": result["NES"].astype(float),
                    "p_value": result["NOM p-val"].astype(float),
                    "p_adjusted": result["FDR q-val"].astype(float),
                    "genes_in_set": [sizes[term] for term in result["Term"]],
                    "leading_genes": result["Lead_genes"].str.replace(";", ", ", regex=False),
                }
            ).sort_values("nes", ascending=False)
        )
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=COLUMNS)


@contextmanager
def _without_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def read_gene_sets(path: str | Path) -> dict[str, list[str]]:
    """Read a ``.gmt`` file: one set a line, its name, a description, its genes, all tab-separated."""
    path = Path(path)
    if not path.is_file():
        raise CohortError(f"there is no file of gene sets '{path}'; give a .gmt file")
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        parts = line.rstrip("\n").split("\t")
        if len(parts) < 3:
            raise CohortError(
                f"line {number} of '{path}' is no gene set: '{line[:40]}'; a .gmt line is name, description and genes, "
                "separated by tabs"
            )
        if parts[0] in sets:
            raise CohortError(f"the set '{parts[0]}' is in '{path}' twice, again in line {number}")
        sets[parts[0]] = [gene for gene in dict.fromkeys(parts[2:]) if gene]
    if not sets:
        raise CohortError(f"'{path}' holds no gene sets")
    return sets


def marker_recovery(table: pd.DataFrame, markers: dict[str, list[str]], *, top: int = 20) -> pd.DataFrame:
    """Tell how many known markers of a group are among its first genes.

    Parameters
    ----------
    table
        Ranked genes; see `lrp_domains.genes.rankings.tables`.
    markers
        By group, its known markers; unmeasured ones are left out.
    top
        How many first genes are looked at.

    Returns
    -------
    One row per cohort and group that has markers: ``cohort``, ``group``, ``markers`` (measured), ``found``,
    ``precision``, ``expected`` (by chance) and the hypergeometric ``p_value`` of finding so many; and of differential
    expression ``de_found`` and ``de_precision``.
    """
    table = check_ranking(table)
    rows = []
    for (cohort, group), part in table.groupby(["cohort", "group"], sort=False):
        known = set(markers.get(group, ())) & set(part["gene"])
        if not known:
            continue
        size = min(top, len(part))
        found = len(known & set(part.nsmallest(size, "rank")["gene"]))
        row = {
            "cohort": cohort, "group": group, "markers": len(known), "found": found, "precision": found / size,
            "expected": len(known) / len(part),
            "p_value": float(stats.hypergeom.sf(found - 1, len(part), len(known), size)),
        }  # fmt: skip
        has_other = "de_rank" in part and part["de_rank"].notna().all()
        other = len(known & set(part.nsmallest(size, "de_rank")["gene"])) if has_other else np.nan
        rows.append(row | {"de_found": other, "de_precision": other / size})
    if not rows:
        raise CohortError(
            f"no group ({listed(table['group'].unique(), 5)}) has markers among {listed(markers, 5)}; name the groups "
            "of markers as the table does"
        )
    return pd.DataFrame(rows)
