"""Differential expression as a rival: how much higher genes are in the group that a cell is predicted to be of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from .. import slots
from ..cohorts.files.rows_on_disk import bytes_in_memory
from ..cohorts.values.expression import Expression
from ..cohorts.values.normalisation import log1p_cp10k
from ..errors import CohortError
from ..explanation.requests.halves import HALVES
from ..explanation.requests.plan import Plan
from ..rankings.expression import sides, welch
from ..rankings.rank_file import MOST_BYTES_IN_MEMORY
from ..rankings.wilcoxon import rank_sum_test, testable_groups
from .cells import DrawnCells


def differential_expression(cells: DrawnCells) -> np.ndarray:
    """Return how genes are expressed in a cell's group, compared with the rest of the cohort: cells x genes.

    It is the score of scanpy's Wilcoxon test; of expression on disk that takes more than 1 GiB it is Welch's t. The
    group is the predicted class where groups are classes, and else the cell's own. Of a value or a risk it is the
    higher half, as relevance is for a higher output.
    """
    plan = cells.cohort
    check_groups(cells)
    expression = plan.expression
    if expression.expects.normalisation == "counts":  # raw counts would compare depth
        expression = replace(expression, normalise=log1p_cp10k)
    scores = _wilcoxon(plan, expression) if _fits(expression) else _welch(plan, expression)

    groups = np.asarray(plan.labels, dtype=object)[cells.rows]
    if plan.model.task == "classes":
        predicted = np.array(plan.model.classes, dtype=object)[cells.target]
        groups = np.where(np.isin(predicted, list(plan.groups)), predicted, groups)
    elif plan.labels.name == slots.PREDICTED:
        groups = np.full(len(cells), HALVES[1])
    return scores.loc[groups].to_numpy()


def check_groups(cells: DrawnCells) -> None:
    """Raise if there are no groups to compare."""
    if cells.cohort.labels is None:
        raise CohortError("the cohort has no column of groups, so no expression can be compared; name one with groupby")


def _fits(expression: Expression) -> bool:
    stored = expression.stored
    is_in_memory = isinstance(stored, np.ndarray) or hasattr(stored, "tocsr")
    return is_in_memory or bytes_in_memory(stored) <= MOST_BYTES_IN_MEMORY


def _wilcoxon(plan: Plan, expression: Expression) -> pd.DataFrame:
    """Test the groups of a cohort: groups x genes, in the order of the model's; 0 for a group of a single cell."""
    parts = [chunk.compared for chunk in expression.chunks(plan.size)]
    values = sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)
    genes = pd.Index(plan.present.astype(str))
    groups = testable_groups(plan.labels, None)
    scores = pd.DataFrame(0.0, index=list(plan.groups), columns=genes)
    if groups:
        tested = rank_sum_test(values[:, plan.present], plan.labels, genes, groups=groups)
        for group in groups:
            scores.loc[group, tested["names"][group]] = tested["scores"][group]
    return scores


def _welch(plan: Plan, expression: Expression) -> pd.DataFrame:
    """Compare the groups of a cohort, of which one chunk of cells is in memory."""
    statistics, codes = plan.empty_statistics(), plan.labels.cat.codes.to_numpy()
    for chunk in expression.chunks(plan.size):
        statistics.add_expression(chunk.compared[:, plan.present], codes[chunk.start : chunk.stop])
    scores = [welch(*sides(statistics, number)) for number in range(len(plan.groups))]
    return pd.DataFrame(np.nan_to_num(scores), index=list(plan.groups))
