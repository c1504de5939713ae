"""Explaining cells: one pass over a cohort, a chunk of cells at a time, in constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from ...domain import Account, explain
from .. import slots
from ..cohorts.expression import Chunk, dense_batch
from ..cohorts.normalisation import Matrix
from ..errors import CohortError
from ..models.model import check_outputs
from .group_statistics import GroupStatistics
from .plan import Plan
from .sparse import add_rows, empty_relevance, in_columns_of_cohort
from .top_genes import top_genes


@dataclass(frozen=True)
class ExplainedCells:
    """The results of some consecutive cells.

    Attributes
    ----------
    start, stop
        Their rows in the cohort.
    rows
        Their relevance in the cohort's columns: CSR or an array; None where it isn't kept.
    obs
        One value per cell and column, by the names of `slots`.
    top_genes, top_values
        Cells x k: the cohort's columns of their top genes, -1 for none, and the relevance of these.
    """

    start: int
    stop: int
    rows: Matrix | None = field(repr=False)
    obs: dict[str, np.ndarray] = field(repr=False)
    top_genes: np.ndarray = field(repr=False)
    top_values: np.ndarray = field(repr=False)


def explain_cells(
    plan: Plan, statistics: GroupStatistics, account: Account, starts: Iterable[int] | None = None
) -> Iterator[ExplainedCells]:
    """Explain cells chunk by chunk, in order, and add their sums to `statistics` and `account`.

    Parameters
    ----------
    plan
        What to explain.
    statistics, account
        Sums so far; both are changed.
    starts
        The first row of each chunk, ``plan.starts()`` if None; may be wrapped to show progress.
    """
    expression, present = plan.expression, plan.present
    _keep_freed_memory()
    folds = plan.model.fold_of(expression.cells)

    # The cohort's column of each input; the last element stands for no gene, so that -1 is mapped to -1.
    columns = np.full(expression.n_inputs + 1, -1, np.int32)
    aligned = expression.alignment.position >= 0
    columns[expression.alignment.position[aligned]] = np.flatnonzero(aligned)

    for start in plan.starts() if starts is None else starts:
        chunk = expression.chunk(start, start + plan.size)
        rows_of_chunk = slice(chunk.start, chunk.stop)
        results = _ChunkResults(plan, chunk)
        for fold in np.unique(folds[rows_of_chunk]):
            results.explain(np.flatnonzero(folds[rows_of_chunk] == fold), int(fold), account)

        group = plan.group_of(rows_of_chunk, results.predicted)
        counted = plan.counted(group, results.target)
        statistics.add_relevance(
            _columns(results.relevance, present), group=group, block=plan.block[rows_of_chunk], counted=counted
        )
        for number, rows, relevance in results.by_network:
            statistics.add_network(number, _columns(relevance, present), group=group[rows], counted=counted[rows])
        statistics.add_expression(_columns(chunk.values, present), group)

        stored = in_columns_of_cohort(results.relevance, chunk, expression)
        genes, values = top_genes(results.relevance, plan.request.top)
        obs = {
            slots.PREDICTED: results.predicted,
            slots.TARGET: results.target,
            slots.SCORE: results.score,
            slots.REST: results.score - np.asarray(stored.sum(1, dtype=np.float64)).reshape(-1),
            slots.FOLD: folds[rows_of_chunk],
        }
        yield ExplainedCells(chunk.start, chunk.stop, rows=stored, obs=obs, top_genes=columns[genes], top_values=values)


def _keep_freed_memory() -> None:
    """Make the allocator keep freed memory for the next chunk.

    glibc returns freed memory to the system beyond twice the largest block that was ever freed (of up to 32 MB), and
    requesting it again, page by page, takes as long as a third of the explaining. No page of this block is touched.
    """
    np.empty(31 * 2**20, np.uint8)


def _columns(matrix: Matrix, present: np.ndarray) -> Matrix:
    """Return the columns of the genes that the cohort has."""
    return matrix if len(present) == matrix.shape[1] else matrix[:, present]


class _ChunkResults:
    """The results of a chunk's cells, which the networks of several folds fill in."""

    def __init__(self, plan: Plan, chunk: Chunk) -> None:
        cells = chunk.stop - chunk.start
        self.plan, self.chunk = plan, chunk
        self.relevance = empty_relevance(chunk, plan.expression)
        self.predicted, self.target = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        self.score = np.zeros(cells)
        self.by_network: list[tuple[int, np.ndarray, Matrix]] = []

    def explain(self, rows: np.ndarray, fold: int, account: Account) -> None:
        """Explain some cells by the networks that have not seen their fold: the mean of the scores, in one pass."""
        plan = self.plan
        numbers, networks = zip(*plan.model.unseen(fold), strict=True)
        members = nn.ModuleList(networks)
        values = dense_batch(self.chunk.values, rows, plan.model.values_like(members))
        with torch.enable_grad():
            reads = [plan.model.reading(network, values) for network in members]
            logits = [
                check_outputs(plan.model, network, read.outputs) for network, read in zip(members, reads, strict=True)
            ]
            predicted = torch.stack([outputs.detach() for outputs in logits]).mean(0).argmax(1)
            target = plan.targets(self.chunk.start + rows, predicted)
            score = torch.stack([plan.scores(outputs, target) for outputs in logits]).mean(0)
            self._check_finite(score, rows)
            relevances, ledger = explain(score, reads, rules=plan.request.rules, model=members)

        self.predicted[rows], self.target[rows] = predicted.cpu().numpy(), target.cpu().numpy()
        self.score[rows] = score.detach().double().cpu().numpy()
        genes = 0.0
        for number, relevance in zip(numbers, relevances, strict=True):
            added = add_rows(self.relevance, rows, relevance.detach().float().cpu().numpy())
            genes += (added.data if sparse.issparse(added) else added).sum(dtype=np.float64)
            # The share of one member of n in the mean score is 1/n of the relevance for its score.
            scaled = added if len(members) == 1 else added * np.float32(len(members))
            self.by_network.append((number, rows, scaled))
        account.add(ledger, units=genes)

    def _check_finite(self, score: Tensor, rows: np.ndarray) -> None:
        """Raise if a score isn't finite."""
        finite = torch.isfinite(score)
        if not finite.all():
            cell = self.chunk.start + rows[int((~finite).nonzero()[0, 0])]
            raise CohortError(
                f"the model's score of the cell '{self.plan.expression.cells[cell]}' is not finite; are its inputs "
                f"normalised as it expects ('{self.plan.expression.expects.normalisation}')?"
            )
