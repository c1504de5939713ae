"""Which class of each cell is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from ...cohorts.cells.labels import label_column
from ...errors import CohortError, choices, listed

if TYPE_CHECKING:
    from ...models.model import GeneModel

PREDICTED = "predicted"
LABELLED = "labelled"


def resolve_target(target: str, classes: tuple[str, ...]) -> int | None:
    """Return the number of a named class, or None if the target differs from cell to cell."""
    if target in classes:
        return classes.index(target)
    if target in (PREDICTED, LABELLED):
        return None
    raise CohortError(
        f"unknown target '{target}'; expected '{PREDICTED}', '{LABELLED}' or a class: {choices(target, classes)}"
    )


def labelled_classes(adata: AnnData, model: GeneModel) -> np.ndarray:
    """Return the number of the class that each cell is labelled with."""
    if not model.labels:
        raise CohortError(f"the model doesn't know which column holds the labels; use target='{PREDICTED}'")
    labels = label_column(adata, model.labels)
    codes = pd.Categorical(labels, categories=model.classes).codes.astype(np.int64)
    if (codes < 0).any():
        unknown = [label for label in labels.cat.categories if label not in model.classes]
        raise CohortError(
            f"the model has no class {listed(unknown)} to explain labelled cells for; use target='{PREDICTED}'"
        )
    return codes


def contrasted_class(against: str | None, target: str, classes: tuple[str, ...]) -> int | None:
    """Return the number of the class that the target is contrasted with."""
    if against is None:
        return None
    if against not in classes:
        others = [name for name in classes if name != target]
        raise CohortError(f"there is no class '{against}' to contrast the target with; {choices(against, others)}")
    return classes.index(against)
