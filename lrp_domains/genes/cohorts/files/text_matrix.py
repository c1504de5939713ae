"""Cohorts as text: a matrix of cells x genes, comma- or tab-separated, with columns of text about the cells."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ....domain import reason
from ...errors import CohortError, listed

SEPARATORS = ",\t;"


def read_text_matrix(path: Path) -> AnnData:
    """Read a matrix of cells x genes: columns of numbers are genes, columns of text are columns of ``obs``.

    The first column has the names of cells, if it is text without repetitions or has no name.
    """
    table = named_rows(read_delimited(path), path)
    # A column of numbers with gaps is read as numbers, so that the gap is refused later, with cell and gene.
    is_number = [pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) for kind in table.dtypes]
    genes = table.loc[:, is_number]
    if not genes.shape[1] or not len(genes):
        raise CohortError(
            f"'{path}' has no column of numbers (it has {listed(table.columns, 4)}); expected a header of genes, then "
            "one row per cell, with its name in the first column"
        )
    values = genes.to_numpy(dtype=np.float32)
    about = table.loc[:, [not number for number in is_number]]
    return AnnData(
        sparse.csr_matrix(values) if np.count_nonzero(values) < values.size / 2 else values,
        obs=as_text(about).set_axis(table.index.astype(str)),
        var=pd.DataFrame(index=genes.columns.astype(str)),
    )


def read_delimited(path: Path) -> pd.DataFrame:
    """Read a delimited table, with the separator that its header has most of."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(SEPARATORS, key=header.count)
        return pd.read_csv(path, sep=separator, encoding="utf-8-sig", low_memory=False)
    except (ValueError, OSError, EOFError) as error:
        raise CohortError(f"'{path}' could not be read as a delimited table: {reason(error)}") from error


def named_rows(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table whose index has the names of its rows, from its first column, or their numbers."""
    if not isinstance(table.index, pd.RangeIndex):
        return table  # the header has one field less than the rows
    if not table.shape[1]:
        raise CohortError(f"'{path}' has no columns")
    first = table.columns[0]
    names = table[first]
    if str(first).startswith("Unnamed: ") or (not pd.api.types.is_numeric_dtype(names) and names.is_unique):
        return table.set_index(first).rename_axis(index=None)
    return table.set_axis(table.index.astype(str))


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns of objects are text, which files can hold; missing values stay missing."""
    mixed = {name: table[name] for name in table if table[name].dtype == object}
    return table.assign(**{name: values.where(values.isna(), values.astype(str)) for name, values in mixed.items()})
