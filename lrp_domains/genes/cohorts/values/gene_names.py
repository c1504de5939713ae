"""The names by which a model knows a cohort's genes, and which columns of a cohort are genes."""

import warnings

import numpy as np
import pandas as pd

from ...errors import CohortError, choices, listed

GENES = "Gene Expression"
KINDS = "feature_types"  # as cellranger, scanpy and muon name the column of var


def gene_names(var: pd.DataFrame, column: str | None = None, *, made_unique: bool = False) -> pd.Index:
    """Return the names of a cohort's genes.

    Parameters
    ----------
    var
        The cohort's table of genes.
    column
        The column of `var` with the names; its index if None.
    made_unique
        Name a gene by the index where the column has no name, and ``NAME (INDEX)`` where several have the same; a
        warning counts them. The names then depend only on the table, so that training and explaining agree.
    """
    if column is not None and column not in var:
        raise CohortError(f"var has no column '{column}' of gene names; {choices(column, var.columns)}")
    if column is None:
        return pd.Index(var.index.astype(object))
    names = pd.Series(var[column].astype(object).to_numpy(), index=var.index)
    if not made_unique:
        return pd.Index(names)

    index = pd.Series(var.index.astype(str), index=var.index)
    missing = names.isna() | (names.astype(str).str.strip() == "")
    names = names.astype(str).where(~missing, index)
    several = names.duplicated(keep=False)
    if missing.any():
        warnings.warn(
            f"{int(missing.sum())} gene(s) have no name in '{column}' and are named by var_names: "
            f"{listed(index[missing], 3)}",
            stacklevel=4,
        )
    if several.any():
        example = names[several].iloc[0]
        warnings.warn(
            f"{names[several].nunique()} name(s) in '{column}' are of several genes, which are named "
            f"'{example} ({index[several].iloc[0]})' and so on",
            stacklevel=4,
        )
    return pd.Index(names.where(~several, names + " (" + index + ")").to_numpy(dtype=object))


def is_gene(var: pd.DataFrame) -> np.ndarray:
    """Return which features of a cohort are genes: all, unless ``feature_types`` tells genes from others."""
    kinds = var[KINDS].astype(str).to_numpy() if KINDS in var else np.full(len(var), GENES)
    genes = kinds == GENES
    return genes if genes.any() else np.ones(len(var), bool)


def warn_of_other_features(var: pd.DataFrame) -> None:
    """Warn of features that are not genes, such as antibodies, and are not read."""
    others = var[KINDS].astype(str)[~is_gene(var)].value_counts() if KINDS in var else pd.Series(dtype=int)
    if len(others):
        named = ", ".join(f"{count} of kind '{kind}'" for kind, count in others.items())
        warnings.warn(
            f"of {len(var)} features, {named} are not read ('{KINDS}' in var); only '{GENES}' is", stacklevel=4
        )
