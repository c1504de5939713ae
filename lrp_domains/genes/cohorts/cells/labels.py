"""The columns of labels and of donors."""

import pandas as pd
from anndata import AnnData

from ...errors import CohortError, choices, listed


def label_column(adata: AnnData, column: str, least: int = 1) -> pd.Series:
    """Return a column of ``obs`` as a categorical of names, with the categories in their order.

    Raises
    ------
    CohortError
        The column is missing, cells have no label, or there are fewer than `least` groups.
    """
    if column not in adata.obs:
        table = "" if adata.obs.shape[1] else "; add a table of cells: read_cohort(path, obs=...), --obs"
        raise CohortError(f"obs has no column '{column}'; {choices(column, adata.obs.columns)}{table}")
    labels = adata.obs[column]
    missing = int(labels.isna().sum())
    if missing:
        raise CohortError(
            f"{missing} of {len(labels)} cells have no label in '{column}', first "
            f"'{labels.index[labels.isna()][0]}'; drop them: {only_with(column)}"
        )
    if pd.api.types.is_float_dtype(labels) and (labels == labels.round()).all():
        labels = labels.astype(int)  # in a column with NaN, 0 and 1 are read as 0.0 and 1.0
    if not isinstance(labels.dtype, pd.CategoricalDtype):
        labels = labels.astype("category")
    labels = labels.cat.remove_unused_categories()
    if not all(isinstance(name, str) for name in labels.cat.categories):
        labels = labels.cat.rename_categories([str(name) for name in labels.cat.categories])
    if len(labels.cat.categories) < least:
        raise CohortError(
            f"all cells have the label '{labels.cat.categories[0]}' in '{column}'; {least} groups or more are required"
        )
    return labels


def only_with(column: str) -> str:
    """Return how only cells with a value in a column are kept, in Python and on the command line."""
    name = column if column.isidentifier() else f"`{column}`"
    python, query = f"adata = adata[adata.obs['{column}'].notna()]", f"'{name}.notna()'"
    return f"{python}, or with --select {query} (in a sheet the column select)"


def check_group_sizes(labels: pd.Series, folds: int) -> None:
    """Raise if a group has too few cells to have one in every fold."""
    if folds < 3:
        raise CohortError(f"folds is {folds}; with 3 or more there are cells to train on and others for early stopping")
    sizes = labels.value_counts()
    small = sizes[sizes < folds]
    if len(small):
        groups = listed(f"{group} ({size})" for group, size in small.items())
        raise CohortError(
            f"groups of '{labels.name}' have fewer cells than the {folds} folds: {groups}; drop them "
            f"(least_cells={folds}, --least-cells {folds}), merge them into one group "
            "(in addition rare='other', --rare other), or use fewer folds"
        )


def donor_column(obs: pd.DataFrame, column: str) -> pd.Series:
    """Return the donor of each row as a categorical; ``"index"`` if every row is a donor."""
    if column == "index":
        return pd.Series(pd.Categorical(obs.index), index=obs.index, name=column)
    if column not in obs:
        raise CohortError(f"obs has no column '{column}' of donors; {choices(column, ['index', *obs.columns])}")
    donors = obs[column]
    if donors.isna().any():
        raise CohortError(
            f"{int(donors.isna().sum())} of {len(donors)} cells have no donor in '{column}', first "
            f"'{donors.index[donors.isna()][0]}'; drop them: {only_with(column)}"
        )
    return donors.astype(str).astype("category")
