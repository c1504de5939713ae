"""The plan of single cells of a cohort."""

from dataclasses import replace

import numpy as np

from ...cohorts.values.some_cells import only_cells
from .plan import Plan


def plan_of_cells(plan: Plan, rows: np.ndarray) -> Plan:
    """Return a plan for some of a cohort's cells, which are read into memory; there is one block, of no donor.

    Parameters
    ----------
    plan
        That of the cohort, whose means, moments and groups stay as they are.
    rows
        The numbers of the cells, ascending.
    """
    reference = plan.reference
    return replace(
        plan,
        expression=only_cells(plan.expression, rows),
        target=None if plan.target is None else plan.target[rows],
        labels=None if plan.labels is None else plan.labels.iloc[rows],
        block=np.zeros(len(rows), np.int64),
        blocks=np.array(["all"], dtype=object),
        by_donor=False,
        reference=None if reference is None else replace(reference, of_cell=reference.of_cell[rows]),
    )
