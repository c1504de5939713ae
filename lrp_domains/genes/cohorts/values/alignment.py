"""A cohort's genes and a model's, aligned by name; missing and surplus genes are counted."""

import re
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from ...errors import CohortError, listed
from .gene_names import gene_names
from .input_spec import Expects, comparable

_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{6,}(\.\d+)?$")


@dataclass(frozen=True)
class Alignment:
    """Which column of a cohort is which input of a model.

    Attributes
    ----------
    position
        For each of the cohort's genes its number among the model's, -1 for a gene that the model doesn't know.
    missing
        The model's genes that the cohort lacks; they are read as 0.
    surplus
        The number of the cohort's genes that the model doesn't know.
    """

    position: np.ndarray
    missing: tuple[str, ...]
    surplus: int

    def __str__(self) -> str:
        used = int((self.position >= 0).sum())
        return f"{used} genes read, {len(self.missing)} missing (read as 0), {self.surplus} surplus (not read)"


def align(var: pd.DataFrame, expects: Expects, column: str | None = None, *, made_unique: bool = False) -> Alignment:
    """Align a cohort's genes with a model's.

    Parameters
    ----------
    var
        The cohort's table of genes.
    expects
        What the model expects.
    column
        The column of `var` with the names to compare; the index if None.
    made_unique
        Whether names that are missing or used twice are replaced, as in `gene_names`: for models that were trained by
        such names.

    Raises
    ------
    CohortError
        Names are used twice, or more are missing than ``expects.most_missing``.
    """
    names = gene_names(var, column, made_unique=made_unique)
    if names.isna().any():
        raise CohortError(f"{int(names.isna().sum())} gene(s) have no name in '{column or 'var_names'}'; drop them")

    cohort = pd.Index(comparable(names, expects.identifiers))
    model = pd.Index(comparable(expects.genes, expects.identifiers))
    position = model.get_indexer(cohort)
    twice = cohort[cohort.duplicated() & (position >= 0)].unique()
    if len(twice):
        raise CohortError(
            f"{len(twice)} gene name(s) are used more than once in the cohort: {listed(twice, 5)}; keep one of each: "
            f"adata = adata[:, ~{_compared(column, expects)}.duplicated()]"
        )

    missing = model[~np.isin(np.arange(len(model)), position)]
    share = len(missing) / len(model)
    if share > expects.most_missing:
        raise CohortError(
            f"{len(missing)} of the model's {len(model)} genes ({share:.0%}) are not in the cohort: "
            f"{listed(missing, 5)}; allowed are {expects.most_missing:.0%} (most_missing).{_hint(var, cohort, expects)}"
        )
    if len(missing):
        warnings.warn(
            f"{len(missing)} of the model's {len(model)} genes are not in the cohort and are read as 0: "
            f"{listed(missing, 5)}",
            stacklevel=3,
        )
    return Alignment(position, tuple(missing), int((position < 0).sum()))


def _compared(column: str | None, expects: Expects) -> str:
    """Return the code of the compared names, without versions where versions are not compared."""
    names = "adata.var_names" if column is None else f"adata.var['{column}']"
    return f"{names}.str.split('.').str[0]" if expects.identifiers == "ensembl" else names


def _hint(var: pd.DataFrame, cohort: pd.Index, expects: Expects) -> str:
    """Return where the right names may be, or why the names don't match."""
    model = set(comparable(expects.genes, expects.identifiers))
    for column in var.columns:
        names = comparable(var[column].astype(str), expects.identifiers)
        if len(model.intersection(names)) > len(model) * (1 - expects.most_missing):
            return f" The column '{column}' of var has them: name it as the gene column"

    ids = sum(bool(_ENSEMBL.match(name)) for name in cohort[:100]) > len(cohort[:100]) / 2
    if ids != (expects.identifiers == "ensembl"):
        kinds = ("Ensembl ids", "symbols") if ids else ("symbols", "Ensembl ids")
        return f" The cohort's names look like {kinds[0]} ('{cohort[0]}'), the model expects {kinds[1]}"

    upper = {name.upper() for name in model}
    if len(upper.intersection(name.upper() for name in cohort)) > len(model) * (1 - expects.most_missing):
        return " They differ in upper and lower case: another species?"
    return ""


def select(matrix, position: np.ndarray, genes: int):
    """Return the columns of `matrix` that a model reads, in its order; missing ones are 0."""
    if len(position) == genes and np.array_equal(position, np.arange(genes)):
        return matrix
    read = position >= 0
    if not sparse.issparse(matrix):
        values = np.zeros((matrix.shape[0], genes), matrix.dtype)
        values[:, position[read]] = matrix[:, read]
        return values
    kept = read[matrix.indices]
    ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sparse.csr_matrix((matrix.data[kept], position[matrix.indices[kept]], ends), shape=(matrix.shape[0], genes))
