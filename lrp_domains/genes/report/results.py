"""What a cohort's folder of results holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from .. import slots
from ..cohorts.cohort import open_cohort
from ..cohorts.labels import label_column
from ..errors import CohortError
from ..explanation.relevance import provenance_of
from ..rankings.tables import read_table

# So many cells are drawn at most; more can't be told apart on paper.
DRAWN = 10_000


@dataclass(frozen=True)
class CohortResults:
    """The results of one cohort.

    Attributes
    ----------
    name
        What the cohort is called.
    adata
        The explained cohort; its matrices may lie on disk.
    table
        Its ranked genes.
    stability
        How far its networks agree, by group; None if not known.
    performance
        One row per fold; None for a model that was trained elsewhere.
    curves
        Deletion and insertion; None if not measured.
    """

    name: str
    adata: AnnData = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    stability: pd.DataFrame | None = field(default=None, repr=False)
    performance: pd.DataFrame | None = field(default=None, repr=False)
    curves: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def provenance(self) -> dict[str, object]:
        """What was explained, and how."""
        return provenance_of(self.adata)

    @property
    def labels(self) -> pd.Series:
        """The group of each cell."""
        return label_column(self.adata, str(self.provenance["groupby"]))

    @property
    def groups(self) -> list[str]:
        """The groups that have a ranking, in their own order everywhere."""
        ranked = set(self.table["group"])
        return [group for group in self.labels.cat.categories if group in ranked]

    @property
    def drawn(self) -> np.ndarray:
        """The rows of the cells that are drawn: all, or evenly spaced ones of many."""
        return np.unique(np.linspace(0, self.adata.n_obs - 1, min(DRAWN, self.adata.n_obs)).astype(int))

    def relevance_of(self, rows: np.ndarray, genes: list[str] | None = None) -> np.ndarray | None:
        """Give the relevance of some cells (in order), of all genes or some; None where no layer was kept."""
        layer = str(self.provenance["relevance_layer"])
        if not layer or layer not in self.adata.layers:
            return None
        columns = slice(None) if genes is None else self.adata.var_names.get_indexer(genes)
        stored, found = self.adata.layers[layer], []
        for start in range(0, self.adata.n_obs, 4096):
            here = rows[(rows >= start) & (rows < start + 4096)] - start
            if len(here):
                part = stored[start : start + 4096][here]
                part = part[:, columns] if not sparse.issparse(part) else part.tocsr()[:, columns].toarray()
                found.append(np.asarray(part))
        return np.concatenate(found)


@contextmanager
def read_results(folder: str | Path) -> Iterator[CohortResults]:
    """Open the results of a cohort: ``explained.h5ad`` and ``genes.parquet``, and what there is beside them.

    Parameters
    ----------
    folder
        As the workflow writes it; its name is the cohort's.
    """
    folder = Path(folder)
    for needed in ("explained.h5ad", "genes.parquet"):
        if not (folder / needed).is_file():
            raise CohortError(f"'{folder}' is no folder of results: it has no {needed}; run 'lrp-domains genes rank'")
    tables = {}
    for name in ("stability", "performance", "curves"):
        path = folder / f"{name}.tsv"
        try:
            tables[name] = pd.read_csv(path, sep="\t") if path.is_file() else None
        except ValueError as error:
            raise CohortError(f"'{path}' could not be read as a table: {str(error).splitlines()[0]}") from error
    table = read_table(folder / "genes.parquet")
    with open_cohort(folder / "explained.h5ad") as adata:
        if slots.RANKING not in adata.uns:
            raise CohortError(f"'{folder / 'explained.h5ad'}' holds no ranked genes; run 'lrp-domains genes rank'")
        yield CohortResults(str(table["cohort"].iloc[0]), adata, table, **tables)
