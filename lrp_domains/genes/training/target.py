"""What is learnt of each cell or patient: its class, a value, or the risk of an event."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData

from ..cohorts.labels import label_column
from ..errors import CohortError, choices
from ..models.input_spec import check_one_of
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
        Per row: how long it was followed, until the event or the last time it was seen. For survival alone.
    names
        The names of the outputs.
    """

    task: str
    values: np.ndarray
    time: np.ndarray | None
    names: tuple[str, ...]

    @property
    def strata(self) -> np.ndarray | None:
        """What folds should have in like shares: classes, or events."""
        return None if self.task == "value" else self.values.astype(np.int64)


def target_of(adata: AnnData, labels: str, task: str, time: str | None) -> Target:
    """Find and check what is to be learnt.

    Raises
    ------
    CohortError
        No such column, rows without a label, text for numbers, an event that is neither 0 nor 1, no event at all.
    """
    check_one_of("task", task, TASKS)
    if (time is None) == (task == "survival"):
        given = "no column of times is given" if time is None else f"the column of times '{time}' is given"
        raise CohortError(f"{given} for the task '{task}'; time is for 'survival', which needs it")
    if task == "classes":
        groups = label_column(adata, labels, least=2)
        return Target(task, groups.cat.codes.to_numpy().astype(np.int64), None, tuple(groups.cat.categories))
    values = _numbers(adata, labels)
    if task == "value":
        if np.ptp(values) == 0:
            raise CohortError(f"all {len(values)} values of '{labels}' are {values[0]:g}; there is nothing to learn")
        return Target(task, values, None, (labels,))
    if not np.isin(values, (0, 1)).all():
        strange = values[~np.isin(values, (0, 1))][0]
        raise CohortError(f"'{labels}' has the value {strange:g}; an event is 1 (seen) or 0 (not seen until then)")
    if values.min() == values.max():
        raise CohortError(f"all rows have {values[0]:g} as event in '{labels}'; risk is learnt from both kinds")
    times = _numbers(adata, time)
    if (times < 0).any():
        raise CohortError(f"'{time}' has the negative value {times.min():g}; it is the time of follow-up")
    return Target(task, values, times, (labels,))


def _numbers(adata: AnnData, column: str) -> np.ndarray:
    if column not in adata.obs:
        raise CohortError(f"obs has no column '{column}'; {choices(column, adata.obs.columns)}")
    given = adata.obs[column]
    numbers = pd.to_numeric(given.astype(object), errors="coerce").to_numpy(dtype=np.float64)
    strange = given[~np.isfinite(numbers) & given.notna().to_numpy()]
    if len(strange):
        raise CohortError(f"'{column}' should hold numbers, but '{strange.index[0]}' has {strange.iloc[0]!r}")
    if given.isna().any():
        raise CohortError(
            f"{int(given.isna().sum())} of {len(given)} cells have no value in '{column}', first "
            f"'{given.index[given.isna()][0]}'; drop them: adata = adata[adata.obs['{column}'].notna()]"
        )
    return numbers
