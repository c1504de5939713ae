"""Groups of too few cells to be learnt: dropped, or merged into one."""

import warnings

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import CohortError
from .labels import label_column


def without_rare_groups(adata: AnnData, labels: str, least_cells: int, *, rare: str | None = None) -> AnnData:
    """Return a cohort without the groups of fewer than `least_cells` cells; a warning names them.

    Parameters
    ----------
    adata
        The cohort; it is not changed.
    labels
        The column of ``obs`` with the groups.
    least_cells
        The smallest number of cells that a group may have.
    rare
        Merge these groups into one of this name, instead of dropping their cells. The labels before are in a column
        that ends in ``_before_merging``.

    Examples
    --------
    >>> adata = without_rare_groups(adata, "cell_type", 10)
    >>> model = train(adata, "cell_type")
    """
    check_rare(least_cells, rare)
    groups = label_column(adata, labels)
    sizes = groups.value_counts(sort=False)
    small = sizes[sizes < least_cells]
    if small.empty:
        return adata
    named = ", ".join(f"'{group}' ({size})" for group, size in small.items())

    is_rare = groups.isin(small.index).to_numpy()
    if rare is None:
        if is_rare.all():
            raise CohortError(f"all groups of '{labels}' have fewer than {least_cells} cells: {named}")
        warnings.warn(
            f"dropped {is_rare.sum()} cells of groups of '{labels}' with fewer than {least_cells} cells: {named}",
            stacklevel=2,
        )
        return adata[~is_rare].copy()

    warnings.warn(
        f"merged {is_rare.sum()} cells of groups of '{labels}' with fewer than {least_cells} cells into '{rare}': "
        f"{named}",
        stacklevel=2,
    )
    merged = adata.copy()
    merged.obs[f"{labels}_before_merging"] = groups
    order = [*(group for group in sizes.index.drop(small.index) if group != rare), rare]
    names = groups.astype(object).where(~is_rare, rare)
    merged.obs[labels] = pd.Series(pd.Categorical(names, categories=order), index=groups.index)
    return merged


def check_rare(least_cells: int | None, rare: str | None) -> None:
    """Raise if groups can't be dropped or merged as asked."""
    if least_cells is None:
        if rare is not None:
            raise CohortError(f"rare='{rare}' merges groups of fewer than least_cells cells; pass least_cells too")
        return
    if isinstance(least_cells, bool) or not isinstance(least_cells, (int, np.integer)) or least_cells < 1:
        raise CohortError(f"least_cells is {least_cells!r}; expected a whole number from 1 on")
    if rare is not None and (not isinstance(rare, str) or not rare):
        raise CohortError(f"rare is {rare!r}; expected the name of the group to merge rare ones into")
