"""Ranking an explained cohort from file to file."""

from pathlib import Path

from anndata.io import write_elem

from ...domain import whole_file
from .. import slots
from ..cohorts.cohort import open_cohort
from ..cohorts.files.writing import copied
from ..errors import CohortError
from .rank import Ranking, make_ranking

# Expression that takes more memory stays on disk: it is compared by Welch's t, from sums, instead of scanpy's Wilcoxon
# test, which takes about three times the expression's memory.
MOST_BYTES_IN_MEMORY = 2**30


def rank_on_disk(
    path: str | Path,
    out: str | Path,
    *,
    groupby: str | None = None,
    donor: str | None = None,
    cohort: str = "cohort",
    wilcoxon: bool = True,
    order: str | None = None,
    fdr: float | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank the genes of an explained cohort, and write it with the ranking where scanpy looks for it.

    Matrices stay on disk. Only expression of up to 1 GiB, uncompressed, is read for the Wilcoxon test; more is compared
    by Welch's t.

    Parameters
    ----------
    path
        An ``.h5ad`` file or ``.zarr`` folder, as `relevance_on_disk` writes it.
    out
        The ``.h5ad`` file or ``.zarr`` folder to write; it appears whole or not at all.
    groupby, donor, cohort, wilcoxon, order, fdr, seed
        As in `rank`.

    Returns
    -------
    The ``table`` that `rank` returns, and the ``stability`` of the ranking; see `stability`.
    """
    path, out = Path(path), Path(out)
    if out.suffix not in (".h5ad", ".zarr"):
        raise CohortError(f"'{out}' should end in .h5ad or .zarr")
    if path.resolve() == out.resolve():
        raise CohortError(f"'{out}' is the explained cohort itself; write to another file")
    with open_cohort(path) as adata:
        ranking = make_ranking(
            adata,
            groupby=groupby,
            donor=donor,
            cohort=cohort,
            wilcoxon=wilcoxon,
            order=order,
            fdr=fdr,
            seed=seed,
            most_bytes=MOST_BYTES_IN_MEMORY,
        )
        with whole_file(out) as temporary, copied(path, temporary, suffix=out.suffix, adata=adata) as group:
            for key in (slots.RANKING, slots.RANKING_ABSENT, slots.DIFFERENTIAL):
                if key in group["uns"]:
                    del group[f"uns/{key}"]
                if key in adata.uns:
                    write_elem(group["uns"], key, adata.uns[key])
            write_elem(group, "obs", adata.obs)
    return ranking
