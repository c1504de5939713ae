"""Explaining cells: one pass over a cohort, a chunk of cells at a time, in constant memory."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache, partial

import numpy as np
import torch
from scipy import sparse
from torch import nn

from .... import Ledger, RelevanceError, UnknownOperation
from ....domain import Account, BatchSize, Clock, Progress, compiled, fitting, no_progress, parameter_of, prefetched
from ... import slots
from ...cohorts.values.expression import Chunk, dense_batch
from ...cohorts.values.normalisation import Matrix
from ...cohorts.values.training_cells import warn_of_namesakes
from ...errors import CohortError
from ..requests.plan import Plan
from ..results.explained_cells import ExplainedCells
from ..results.group_statistics import GroupStatistics
from ..results.sparse import add_rows, empty_relevance, in_columns_of_cohort
from ..results.top_genes import top_genes
from .batch import NonFiniteScore, NotComplete, explain_batch
from .rival import explain_by_rival

LENGTHS = 8  # of compiled batches: a fold has another number of cells in each chunk


def explain_cells(
    plan: Plan,
    statistics: GroupStatistics,
    account: Account,
    *,
    first: int = 0,
    stop: int | None = None,
    progress: Progress = no_progress,
    clock: Clock | None = None,
) -> Iterator[ExplainedCells]:
    """Explain cells chunk by chunk, in order, and add their sums to `statistics` and `account`.

    A thread reads the next chunk in the meantime.

    Parameters
    ----------
    plan
        What to explain.
    statistics, account
        Sums so far; both are changed.
    first, stop
        The row to begin with, and the one to stop before; None for the last.
    progress
        Wraps the iteration over the first rows of chunks.
    clock
        Counts the time of reading (only what is waited for), forward, backward and statistics.
    """
    expression = plan.expression
    clock, starts, batch = clock or Clock(), plan.starts(first, stop), None
    _keep_freed_memory()
    namesakes, cells_read = 0, 0
    explainers = cache(partial(_explainer, plan, clock, compile=plan.request.compile))

    # The cohort's column of each input; the last element stands for no gene, so that -1 is mapped to -1.
    columns = np.full(expression.n_inputs + 1, -1, np.int32)
    aligned = expression.alignment.position >= 0
    columns[expression.alignment.position[aligned]] = np.flatnonzero(aligned)

    with closing(prefetched(expression.chunk(start, start + plan.size) for start in starts)) as chunks:
        for _ in progress(starts, "Explaining"):
            with clock("reading"):
                chunk = next(chunks)
            batch = batch or _batch_size(plan, chunk)
            results = _ChunkResults(plan, chunk, explainers=explainers, clock=clock)
            for fold in np.unique(chunk.folds):
                results.explain(np.flatnonzero(chunk.folds == fold), int(fold), account, batch=batch)
            with clock("statistics"):
                _add_sums(statistics, plan, results)
                cells = _explained_cells(plan, results, columns)
            namesakes, cells_read = namesakes + expression.namesakes(chunk), cells_read + chunk.stop - chunk.start
            yield cells
    warn_of_namesakes(namesakes, cells_read)


def _add_sums(statistics: GroupStatistics, plan: Plan, results: "_ChunkResults") -> None:
    """Add the sums of a chunk's cells."""
    chunk, present = results.chunk, plan.present
    rows_of_chunk = slice(chunk.start, chunk.stop)
    group = plan.group_of(rows_of_chunk, results.predicted)
    counted = plan.counted(group, results.target)
    statistics.add_relevance(
        _columns(results.relevance, present), group=group, block=plan.block[rows_of_chunk], counted=counted
    )
    for number, rows, relevance in results.by_network:
        statistics.add_network(number, _columns(relevance, present), group=group[rows], counted=counted[rows])
    statistics.add_expression(_columns(chunk.compared, present), group)


def _explained_cells(plan: Plan, results: "_ChunkResults", columns: np.ndarray) -> ExplainedCells:
    """Return the results of a chunk's cells; `columns` has the cohort's column of each input, and -1 at the end."""
    chunk = results.chunk
    stored = in_columns_of_cohort(results.relevance, chunk, plan.expression)
    genes, values = top_genes(results.relevance, plan.request.top)
    obs = {
        slots.PREDICTED: results.predicted,
        slots.TARGET: results.target,
        slots.SCORE: results.score,
        slots.REST: results.explained_score - np.asarray(stored.sum(1, dtype=np.float64)).reshape(-1),
        slots.FOLD: chunk.folds,
    }
    if plan.reference is not None:
        obs[slots.REFERENCE_SCORE] = results.reference_score
    return ExplainedCells(chunk.start, chunk.stop, rows=stored, obs=obs, top_genes=columns[genes], top_values=values)


def _batch_size(plan: Plan, chunk: Chunk) -> BatchSize:
    """Return how many cells of a chunk to explain at a time: all, or on a GPU as many as its free memory has room for.

    Chunks themselves don't depend on the memory, so that neither do the sums over them, nor the shards of a cohort.
    """
    cells = chunk.stop - chunk.start
    if plan.request.batch_size is not None:
        return BatchSize(plan.size, "cells")
    fold = int(chunk.folds.min())  # -1, of which all networks are in memory, is the largest
    as_it_is = partial(_explainer, plan, Clock(), compile=False)

    def compute(number: int) -> None:
        results = _ChunkResults(plan, chunk, explainers=as_it_is, clock=Clock())
        results.explain_batch(np.arange(number), fold, most=number)

    device = parameter_of(plan.computing.unseen(fold)[0][1]).device
    number = fitting(compute, device, most=cells)
    # Compiled batches are filled up by this size, which must not depend on where a shard begins.
    return BatchSize(plan.size if number == cells else number, "cells")


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
    """The results of a chunk's cells, which the networks of several folds fill in.

    ``explainers`` has for each fold the function that explains a batch of its cells.
    """

    def __init__(self, plan: Plan, chunk: Chunk, *, explainers: Callable[[int], Callable], clock: Clock) -> None:
        cells = chunk.stop - chunk.start
        self.plan, self.chunk, self.explainers, self.clock = plan, chunk, explainers, clock
        self.relevance = empty_relevance(chunk, is_sparse=plan.is_sparse)
        self.predicted, self.target = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        self.score, self.reference_score = np.zeros(cells), np.zeros(cells)
        self.by_network: list[tuple[int, np.ndarray, Matrix]] = []

    @property
    def explained_score(self) -> np.ndarray:
        """What relevance sums to, but for biases and the residue: the score, minus that of the reference."""
        return self.score if self.plan.reference is None else self.score - self.reference_score

    def explain(self, rows: np.ndarray, fold: int, account: Account, *, batch: BatchSize) -> None:
        """Explain some cells by the networks that have not seen their fold, as many at a time as memory has room for.

        Nothing but `explain_batch` uses the device, so that a batch for which memory runs out adds nothing.
        """
        numbers = [number for number, _ in self.plan.computing.unseen(fold)]
        for some, relevances, ledger in batch.run(lambda some: self.explain_batch(some, fold, most=batch.size), rows):
            genes = 0.0
            for number, relevance in zip(numbers, relevances, strict=True):
                added = add_rows(self.relevance, some, relevance)
                genes += (added.data if sparse.issparse(added) else added).sum(dtype=np.float64)
                # The share of one member of n in the mean score is 1/n of the relevance for its score.
                scaled = added if len(numbers) == 1 else added * np.float32(len(numbers))
                self.by_network.append((number, some, scaled))
            account.add(ledger, units=genes)

    def explain_batch(self, rows: np.ndarray, fold: int, *, most: int) -> tuple[np.ndarray, list[np.ndarray], Ledger]:
        """Explain some cells by the networks that have not seen their fold: the mean of the scores, in one pass.

        ``most`` is the number of cells that memory has room for, up to which a compiled batch may be filled.

        Returns
        -------
        The rows of the cells, their relevance by each network, and the ledger.
        """
        plan, cells = self.plan, len(rows)
        filled = _filled(rows, min(most, plan.expression.n_cells)) if plan.request.compile else rows
        with self.clock("forward"):
            network = plan.computing.unseen(fold)[0][1]
            values = dense_batch(self.chunk.values, filled, plan.computing.values_like(network))
            target = torch.from_numpy(plan.given_targets(self.chunk.start + filled)).to(values.device)
            weight = (torch.arange(len(filled), device=values.device) < cells).float()
            tensors = [values, target, weight]
            if plan.reference is not None:
                tensors.append(plan.reference.values(self.chunk.start + filled, values))
        with self.clock("backward"), self._errors_named(rows):
            relevances, ledger, results = self.explainers(fold)(*tensors)
            for name, result in results.items():
                getattr(self, name)[rows] = result[:cells].cpu().numpy()
            return rows, [relevance[:cells].float().cpu().numpy() for relevance in relevances], ledger

    @contextmanager
    def _errors_named(self, rows: np.ndarray) -> Iterator[None]:
        """Raise errors that name the cell, and the usual cause where cells can't be explained against a reference."""
        plan = self.plan
        try:
            yield
        except NonFiniteScore as error:
            cell = plan.expression.cells[self.chunk.start + rows[min(error.number, len(rows) - 1)]]
            half = "fp16 has no numbers beyond 65504: use precision='bf16' or 'fp32'; or "
            raise CohortError(
                f"the model's score of {'the reference of ' if error.of_reference else ''}the cell '{cell}' is not "
                f"finite; {half if plan.request.precision == 'fp16' else ''}are its inputs "
                f"normalised as it expects ('{plan.expression.expects.normalisation}')?"
            ) from None
        except UnknownOperation:
            raise
        except (RelevanceError, NotComplete) as error:
            if plan.reference is None:
                raise
            raise CohortError(
                f"{error}; a network that reads only the genes that a cell expresses, as tokens or by a mask, can't "
                f"compare it with reference='{plan.reference.name}', which expresses others: leave out the reference"
            ) from error


def _filled(rows: np.ndarray, size: int) -> np.ndarray:
    """Return rows repeated to one of a few lengths, at most a size, as explanations are compiled for each length."""
    step = -(-size // LENGTHS)
    return np.append(rows, np.repeat(rows[-1:], min(-len(rows) % step, size - len(rows))))


def _explainer(plan: Plan, clock: Clock, fold: int, *, compile: bool | str) -> Callable:
    """Return the function that explains a batch of cells of a fold."""
    members = nn.ModuleList(network for _, network in plan.computing.unseen(fold))
    if plan.request.rival is not None:
        return partial(explain_by_rival, plan, members, clock=clock)
    return compiled(partial(explain_batch, plan, members, clock=clock), compile, shapes=LENGTHS)
