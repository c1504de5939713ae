"""Explaining cells: one pass over a cohort, a chunk of cells at a time, in constant memory."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from ... import SECANT, Ledger, RelevanceError, UnknownOperation
from ...domain import (
    Account,
    BatchSize,
    Clock,
    Progress,
    Read,
    explain,
    explain_against,
    fitting,
    no_progress,
    parameter_of,
    prefetched,
)
from .. import slots
from ..cohorts.expression import Chunk, dense_batch
from ..cohorts.normalisation import Matrix
from ..errors import CohortError
from ..models.model import check_outputs
from ..models.training_cells import warn_of_namesakes
from .explained_cells import ExplainedCells
from .group_statistics import GroupStatistics
from .plan import Plan
from .sparse import add_rows, empty_relevance, in_columns_of_cohort
from .top_genes import top_genes

HALF = (torch.bfloat16, torch.float16)


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

    # The cohort's column of each input; the last element stands for no gene, so that -1 is mapped to -1.
    columns = np.full(expression.n_inputs + 1, -1, np.int32)
    aligned = expression.alignment.position >= 0
    columns[expression.alignment.position[aligned]] = np.flatnonzero(aligned)

    with closing(prefetched(expression.chunk(start, start + plan.size) for start in starts)) as chunks:
        for _ in progress(starts, "Explaining"):
            with clock("reading"):
                chunk = next(chunks)
            batch = batch or _batch_size(plan, chunk)
            results = _ChunkResults(plan, chunk, clock)
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

    def compute(number: int) -> None:
        _ChunkResults(plan, chunk, Clock()).explain_batch(np.arange(number), fold)

    device = parameter_of(plan.computing.unseen(fold)[0][1]).device
    return BatchSize(fitting(compute, device, most=cells), "cells")


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

    def __init__(self, plan: Plan, chunk: Chunk, clock: Clock) -> None:
        cells = chunk.stop - chunk.start
        self.plan, self.chunk, self.clock = plan, chunk, clock
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
        for some, relevances, ledger in batch.run(lambda some: self.explain_batch(some, fold), rows):
            genes = 0.0
            for number, relevance in zip(numbers, relevances, strict=True):
                added = add_rows(self.relevance, some, relevance)
                genes += (added.data if sparse.issparse(added) else added).sum(dtype=np.float64)
                # The share of one member of n in the mean score is 1/n of the relevance for its score.
                scaled = added if len(numbers) == 1 else added * np.float32(len(numbers))
                self.by_network.append((number, some, scaled))
            account.add(ledger, units=genes)

    def explain_batch(self, rows: np.ndarray, fold: int) -> tuple[np.ndarray, list[np.ndarray], Ledger]:
        """Explain some cells by the networks that have not seen their fold: the mean of the scores, in one pass.

        Returns
        -------
        The rows of the cells, their relevance by each network, and the ledger.
        """
        plan = self.plan
        members = nn.ModuleList(network for _, network in plan.computing.unseen(fold))
        with self.clock("forward"):
            values = dense_batch(self.chunk.values, rows, plan.computing.values_like(members))
        with self.clock("backward"), torch.enable_grad():
            if plan.reference is None:
                score, reads = self._forward(rows, members, values)
                self.score[rows] = score.detach().double().cpu().numpy()
                relevances, ledger = explain(score, reads, rules=plan.request.rule_set, model=members)
            else:
                relevances, ledger = self._explain_against(rows, members, values)
            return rows, [relevance.detach().float().cpu().numpy() for relevance in relevances], ledger

    def _forward(
        self, rows: np.ndarray, members: nn.ModuleList, values: Tensor, *, target: Tensor | None = None
    ) -> tuple[Tensor, list[Read[Tensor]]]:
        """Run all networks on some cells' values; return the mean score, and the forward passes.

        Without a target the cells' classes are written, and the scores are those of their targets.
        """
        plan = self.plan
        with self.clock("forward"):
            reads = [plan.model.reading(network, values) for network in members]
            logits = [
                check_outputs(plan.model, network, read.outputs) for network, read in zip(members, reads, strict=True)
            ]
            # The difference of two logits has fewer digits than they have, which half precision can't spare.
            logits = [outputs.float() if outputs.dtype in HALF else outputs for outputs in logits]
            of_reference = target is not None
            if not of_reference:
                predicted = torch.stack([outputs.detach() for outputs in logits]).mean(0).argmax(1)
                target = plan.targets(self.chunk.start + rows, predicted)
                self.predicted[rows], self.target[rows] = predicted.cpu().numpy(), target.cpu().numpy()
            score = torch.stack([plan.scores(outputs, target) for outputs in logits]).mean(0)
            self._check_finite(score, rows, "the reference of " if of_reference else "")
            return score, reads

    def _explain_against(self, rows: np.ndarray, members: nn.ModuleList, values: Tensor) -> tuple[list[Tensor], Ledger]:
        """Explain the difference between the scores of some cells and of their reference, for the cells' targets."""
        passes: list[Tensor] = []

        def run(values: Tensor) -> tuple[Tensor, list[Read[Tensor]]]:
            # The first pass is that of the cells; it decides the target, which the reference keeps.
            target = torch.as_tensor(self.target[rows], device=values.device) if passes else None
            score, reads = self._forward(rows, members, values, target=target)
            passes.append(score.detach())
            return score, reads

        references = self.plan.reference.values(self.chunk.start + rows, values)
        rules = self.plan.request.rule_set
        try:
            relevances, ledger = explain_against(run, [values], [references], rules=rules, model=members)
        except UnknownOperation:
            raise
        except RelevanceError as error:
            raise CohortError(f"{error}; {self._which_genes()}") from error
        self.score[rows], self.reference_score[rows] = (score.double().cpu().numpy() for score in passes)
        if rules is SECANT:
            self._check_complete(passes, sum(relevances))
        return relevances, ledger

    def _check_complete(self, passes: list[Tensor], relevance: Tensor) -> None:
        """Raise if relevance doesn't sum to the difference of the scores of cells and reference, cell by cell.

        The core checks it for inputs only, not for tensors within a network, such as embeddings of genes.
        """
        score, of_reference = (of_pass.double() for of_pass in passes)
        missing = (score - of_reference - relevance.double().sum(1)).abs()
        scale = score.abs() + of_reference.abs() + relevance.double().abs().sum(1)
        weights = parameter_of(self.plan.computing.unseen(-1)[0][1])
        coarsest = max(torch.finfo(tensor.dtype).eps for tensor in (passes[0], relevance, weights))
        if bool((missing > coarsest**0.5 * scale).any()):
            share = float(missing.sum() / (score - of_reference).abs().sum())
            raise CohortError(
                f"genes account for all but {share:.1%} of the difference from the reference; {self._which_genes()}"
            )

    def _which_genes(self) -> str:
        """Return the usual cause why cells can't be explained against a reference, and what to do."""
        return (
            "a network that reads only the genes that a cell expresses, as tokens or by a mask, can't compare it with "
            f"reference='{self.plan.reference.name}', which expresses others: leave out the reference"
        )

    def _check_finite(self, score: Tensor, rows: np.ndarray, of: str = "") -> None:
        """Raise if a score isn't finite."""
        finite = torch.isfinite(score)
        if not finite.all():
            cell = self.chunk.start + rows[int((~finite).nonzero()[0, 0])]
            half = "fp16 has no numbers beyond 65504: use precision='bf16' or 'fp32'; or "
            raise CohortError(
                f"the model's score of {of}the cell '{self.plan.expression.cells[cell]}' is not finite; "
                f"{half if self.plan.request.precision == 'fp16' else ''}are its inputs "
                f"normalised as it expects ('{self.plan.expression.expects.normalisation}')?"
            )
