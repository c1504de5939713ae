"""The groups of cells that a classifier learns to tell apart."""

import pandas as pd
from anndata import AnnData

from ..errors import CohortError, choices, listed


def label_column(adata: AnnData, column: str, least: int = 1) -> pd.Series:
    """Give a column of ``obs`` as a categorical of names, with the categories in their own order.

    Raises
    ------
    CohortError
        No such column, cells without a label, or fewer than `least` groups.
    """
    if column not in adata.obs:
        raise CohortError(f"obs has no column '{column}'; {choices(column, adata.obs.columns)}")
    labels = adata.obs[column]
    missing = int(labels.isna().sum())
    if missing:
        raise CohortError(
            f"{missing} of {len(labels)} cells have no label in '{column}', first "
            f"'{labels.index[labels.isna()][0]}'; drop them: adata = adata[adata.obs['{column}'].notna()]"
        )
    if pd.api.types.is_float_dtype(labels) and (labels == labels.round()).all():
        labels = labels.astype(int)  # 0 and 1 beside NaN are read as 0.0 and 1.0
    if not isinstance(labels.dtype, pd.CategoricalDtype):
        labels = labels.astype("category")
    labels = labels.cat.remove_unused_categories()
    if not all(isinstance(one, str) for one in labels.cat.categories):
        labels = labels.cat.rename_categories([str(one) for one in labels.cat.categories])
    if len(labels.cat.categories) < least:
        raise CohortError(
            f"all cells have the label '{labels.cat.categories[0]}' in '{column}'; it takes {least} groups or more"
        )
    return labels


def check_group_sizes(labels: pd.Series, folds: int) -> None:
    """Refuse groups that cannot have a cell in every fold."""
    if folds < 3:
        raise CohortError(f"folds is {folds}; 3 or more leave cells to train on and cells to stop early on")
    sizes = labels.value_counts()
    small = sizes[sizes < folds]
    if len(small):
        named = listed(f"{group} ({size})" for group, size in small.items())
        raise CohortError(
            f"{len(small)} group(s) of '{labels.name}' have fewer cells than the {folds} folds: {named}; "
            "drop or merge them, or use fewer folds"
        )


def donor_column(obs: pd.DataFrame, column: str) -> pd.Series:
    """Give the donor of each row as a categorical; ``"index"`` for cohorts in which every row is a donor."""
    if column == "index":
        return pd.Series(pd.Categorical(obs.index), index=obs.index, name=column)
    if column not in obs:
        raise CohortError(f"obs has no column '{column}' of donors; {choices(column, ['index', *obs.columns])}")
    donors = obs[column]
    if donors.isna().any():
        raise CohortError(
            f"{int(donors.isna().sum())} of {len(donors)} cells have no donor in '{column}', first "
            f"'{donors.index[donors.isna()][0]}'; drop them: adata = adata[adata.obs['{column}'].notna()]"
        )
    return donors.astype(str).astype("category")
