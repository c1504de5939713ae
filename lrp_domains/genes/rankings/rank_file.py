"""Ranking an explained cohort from file to file."""

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import h5py
import pandas as pd
from anndata.io import write_elem

from ...domain.files import whole_file
from .. import slots
from ..cohorts.cohort import open_cohort, read_cohort
from ..explanation.group_statistics import GroupStatistics
from .from_layer import statistics_of_layer
from .rank import rank
from .statistics import stability

# Larger files stay on disk: their expression is compared by Welch's t, from sums, instead of scanpy's Wilcoxon test.
MOST_BYTES_IN_MEMORY = 2**30


@dataclass(frozen=True)
class Ranked:
    """The ranked genes of a cohort, and how far its networks agree on them."""

    table: pd.DataFrame
    stability: pd.DataFrame


def rank_on_disk(
    path: str | Path,
    out: str | Path,
    *,
    groupby: str | None = None,
    donor: str | None = None,
    cohort: str = "cohort",
    wilcoxon: bool = True,
    seed: int = 0,
) -> Ranked:
    """Rank the genes of an explained cohort, and write it again with the ranking where scanpy looks for it.

    Parameters
    ----------
    path
        An ``.h5ad`` file, as `relevance_on_disk` writes it.
    out
        The ``.h5ad`` file to write; it appears whole or not at all.
    groupby, donor, cohort, wilcoxon, seed
        As in `rank`.
    """
    path = Path(path)
    small = path.is_file() and path.stat().st_size <= MOST_BYTES_IN_MEMORY
    with nullcontext(read_cohort(path)) if small else open_cohort(path) as adata:
        table = rank(adata, groupby=groupby, donor=donor, cohort=cohort, wilcoxon=wilcoxon, seed=seed)
        agreeing = stability(_statistics(adata, groupby, donor))
        with whole_file(out) as temporary:
            shutil.copyfile(path, temporary)
            with h5py.File(temporary, "r+") as file:
                for key in (slots.RANKING, slots.DIFFERENTIAL):
                    file["uns"].pop(key, None)
                    if key in adata.uns:
                        write_elem(file["uns"], key, adata.uns[key])
                write_elem(file, "obs", adata.obs)
    return Ranked(table, agreeing)


def _statistics(adata, groupby: str | None, donor: str | None) -> GroupStatistics:
    if groupby in (None, str(adata.uns[slots.PROVENANCE]["groupby"])):
        return GroupStatistics.from_slot(adata.uns[slots.GROUPS])
    return statistics_of_layer(adata, adata.obs[groupby], donor)
