"""A cohort's folder of results, as the workflow writes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from ...domain import reason
from ...domain.files.tsv import read_tsv
from ...evaluation.page import read_comparison
from ..cohorts.cohort import open_cohort
from ..errors import CohortError
from ..rankings.tables import read_table
from .results import CohortResults

NAMES = ("cohort", "group", "order", "curve")  # a group may be named 0, 1, ... or NA


@contextmanager
def read_results(folder: str | Path) -> Iterator[CohortResults]:
    """Open the results of a cohort; its matrices stay on disk, and its file is open until the block ends.

    Parameters
    ----------
    folder
        Contains ``explained.h5ad`` and ``genes.parquet``, and optionally ``stability.tsv``, ``performance.tsv``,
        ``curves.tsv``, and a folder ``comparison`` of methods compared.

    Examples
    --------
    >>> with read_results("results/genes/pbmc") as results:
    ...     results.genes_of("CD19+ B").head()
    """
    folder = Path(folder)
    for required in ("explained.h5ad", "genes.parquet"):
        if not (folder / required).is_file():
            raise CohortError(
                f"'{folder}' is not a folder of results: it has no {required}; run 'lrp-domains genes rank'"
            )
    table = read_table(folder / "genes.parquet")
    optional = {name: _read(folder / f"{name}.tsv") for name in ("stability", "performance", "curves")}
    with open_cohort(folder / "explained.h5ad") as adata:
        try:
            comparison = read_comparison(folder / "comparison")
            results = CohortResults(table["cohort"].iloc[0], adata, table, **optional, comparison=comparison)
        except CohortError as error:
            raise CohortError(f"'{folder}': {error}") from error
        yield results


def _read(path: Path) -> pd.DataFrame | None:
    """Read a table; None if it is missing or empty."""
    if not path.is_file():
        return None
    try:
        return read_tsv(path, text=NAMES)
    except pd.errors.EmptyDataError:  # a model that was trained elsewhere has no performance
        return None
    except (ValueError, OSError) as error:
        raise CohortError(f"'{path}' could not be read as a table: {reason(error)}") from error
