"""What is learnt of each cell or patient: its class, a value, or the risk of an event."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData

from ...domain import check_choice
from ..cohorts.cells.labels import label_column
from ..errors import CohortError, choices
from ..models.model import TASKS


@dataclass(frozen=True)
class Target:
    """What is learnt.

    Attributes
    ----------
    task
        ``"classes"``, ``"value"`` or ``"survival"``.
    values
        Per row: the number of its class; its value; or whether the event was seen.
    time
        Per row, for survival: the time of the event, or of the last follow-up.
    names
        The names of the outputs.
    column
        The column of ``obs`` that is learnt, for messages.
    """

    task: str
    values: np.ndarray
    time: np.ndarray | None
    names: tuple[str, ...]
    column: str = "the labels"

    @property
    def strata(self) -> np.ndarray | None:
        """What folds should have in similar shares: classes, or events."""
        return None if self.task == "value" else self.values.astype(np.int64)


def target_of(adata: AnnData, labels: str, *, task: str, time: str | None) -> Target:
    """Find and check what is to be learnt.

    Raises
    ------
    CohortError
        A column is missing, rows have no label, numbers are text, an event is neither 0 nor 1, or there is no event.
    """
    check_choice("task", task, TASKS)
    if (time is None) == (task == "survival"):
        got = "got no column of times" if time is None else f"got the column of times '{time}'"
        raise CohortError(f"{got} for the task '{task}'; time is for 'survival', which requires it")

    if task == "classes":
        groups = label_column(adata, labels, least=2)
        codes = groups.cat.codes.to_numpy().astype(np.int64)
        return Target(task, codes, time=None, names=tuple(groups.cat.categories), column=labels)
    values = _numbers(adata, labels)
    if task == "value":
        if np.ptp(values) == 0:
            raise CohortError(f"all {len(values)} values of '{labels}' are {values[0]:g}; there is nothing to learn")
        return Target(task, values, time=None, names=(labels,))

    if not np.isin(values, (0, 1)).all():
        invalid = values[~np.isin(values, (0, 1))][0]
        raise CohortError(f"'{labels}' has the value {invalid:g}; an event is 1 (seen) or 0 (not seen until then)")
    if values.min() == values.max():
        raise CohortError(f"all rows have {values[0]:g} as event in '{labels}'; learning a risk requires both")
    times = _numbers(adata, time)
    if (times < 0).any():
        raise CohortError(f"'{time}' has the negative value {times.min():g}; expected the time of follow-up")
    return Target(task, values, time=times, names=(labels,))


def _numbers(adata: AnnData, column: str) -> np.ndarray:
    """Return a column of ``obs`` as finite numbers."""
    if column not in adata.obs:
        raise CohortError(f"obs has no column '{column}'; {choices(column, adata.obs.columns)}")
    values = adata.obs[column]
    numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    invalid = values[~np.isfinite(numbers) & values.notna().to_numpy()]
    if len(invalid):
        raise CohortError(f"'{column}' should hold numbers, but '{invalid.index[0]}' has {invalid.iloc[0]!r}")
    if values.isna().any():
        raise CohortError(
            f"{int(values.isna().sum())} of {len(values)} cells have no value in '{column}', first "
            f"'{values.index[values.isna()][0]}'; drop them: adata = adata[adata.obs['{column}'].notna()]"
        )
    return numbers
