"""Ranking an explained cohort from file to file."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import h5py
from anndata.io import write_elem

from ...domain import whole_file
from .. import slots
from ..cohorts.cohort import open_cohort, read_cohort
from .rank import Ranking, make_ranking

# Larger files stay on disk: their expression is compared by Welch's t, from sums, instead of scanpy's Wilcoxon test.
MOST_BYTES_IN_MEMORY = 2**30


def rank_on_disk(
    path: str | Path,
    out: str | Path,
    *,
    groupby: str | None = None,
    donor: str | None = None,
    cohort: str = "cohort",
    wilcoxon: bool = True,
    fdr: float | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank the genes of an explained cohort, and write it with the ranking where scanpy looks for it.

    Parameters
    ----------
    path
        An ``.h5ad`` file, as `relevance_on_disk` writes it.
    out
        The ``.h5ad`` file to write; it appears whole or not at all.
    groupby, donor, cohort, wilcoxon, fdr, seed
        As in `rank`.

    Returns
    -------
    The ``table`` that `rank` returns, and the ``stability`` of the ranking; see `stability`.
    """
    path = Path(path)
    small = path.is_file() and path.stat().st_size <= MOST_BYTES_IN_MEMORY
    with nullcontext(read_cohort(path)) if small else open_cohort(path) as adata:
        ranking = make_ranking(
            adata, groupby=groupby, donor=donor, cohort=cohort, wilcoxon=wilcoxon, fdr=fdr, seed=seed
        )
        with whole_file(out) as temporary:
            shutil.copyfile(path, temporary)
            with h5py.File(temporary, "r+") as file:
                for key in (slots.RANKING, slots.RANKING_ABSENT, slots.DIFFERENTIAL):
                    file["uns"].pop(key, None)
                    if key in adata.uns:
                        write_elem(file["uns"], key, adata.uns[key])
                write_elem(file, "obs", adata.obs)
    return ranking
