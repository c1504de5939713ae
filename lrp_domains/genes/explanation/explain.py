"""Explaining cells: one pass over a cohort, a chunk of cells at a time, in constant memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import nn

from ... import ledger
from .. import slots
from ..cohorts.expression import Chunk, dense_batch
from ..cohorts.normalisation import Matrix
from ..errors import CohortError
from ..models.evaluation_mode import evaluation_mode
from ..models.model import outputs
from .group_statistics import GroupStatistics
from .plan import Plan
from .sparse import add_rows, room_for, rows_of
from .target import score_of
from .top_genes import first_genes


@dataclass
class Books:
    """The ledger of a whole cohort: who holds its scores."""

    score: float = 0.0
    genes: float = 0.0
    biases: float = 0.0
    residue: float = 0.0


@dataclass(frozen=True)
class ExplainedCells:
    """Some cells that lie together, explained.

    Attributes
    ----------
    start, stop
        Their rows in the cohort.
    rows
        Their relevance in the cohort's columns: CSR or an array.
    obs
        What is said of each of them: columns, by the names of `slots`.
    first_genes, first_values
        Cells x k: the cohort's columns of their first genes, -1 for none, and the relevance of these.
    """

    start: int
    stop: int
    rows: Matrix = field(repr=False)
    obs: dict[str, np.ndarray] = field(repr=False)
    first_genes: np.ndarray = field(repr=False)
    first_values: np.ndarray = field(repr=False)


def explain_cells(plan: Plan, statistics: GroupStatistics, books: Books, start: int = 0) -> Iterator[ExplainedCells]:
    """Explain the cells from row `start` on, in order; add what they hold to `statistics` and `books`."""
    found, present = plan.expression, plan.present
    _keep_freed_memory()
    all_folds = plan.model.fold_of(found.cells)
    columns = np.full(found.n_inputs + 1, -1, np.int32)  # of each input in the cohort; the last place is for no gene
    columns[found.alignment.position[found.alignment.position >= 0]] = np.flatnonzero(found.alignment.position >= 0)
    for first_row in range(start, found.n_cells, plan.size):
        chunk = found.chunk(first_row, first_row + plan.size)
        here = slice(chunk.start, chunk.stop)
        folds = all_folds[here]
        cells = _Cells(chunk.stop - chunk.start, room_for(chunk, found))
        for fold in np.unique(folds):
            _explain(cells, chunk, np.flatnonzero(folds == fold), plan, plan.model.unseen(int(fold)), books)
        stored = rows_of(cells.relevance, chunk, found)
        firsts, values = first_genes(cells.relevance, plan.first)
        group = cells.predicted if plan.labels is None else plan.labels.cat.codes.to_numpy()[here].astype(np.int64)
        counted = plan.counted(group, cells.target)
        statistics.add_relevance(_columns(cells.relevance, present), group, plan.unit[here], counted)
        for number, rows, own in cells.by_network:
            statistics.add_network(number, _columns(own, present), group[rows], counted[rows])
        statistics.add_expression(_columns(chunk.values, present), group)
        obs = {
            slots.PREDICTED: cells.predicted,
            slots.TARGET: cells.target,
            slots.SCORE: cells.score,
            slots.REST: cells.score - np.asarray(stored.sum(1, dtype=np.float64)).reshape(-1),
            slots.FOLD: folds,
        }
        yield ExplainedCells(chunk.start, chunk.stop, stored, obs, columns[firsts], values)


def _keep_freed_memory() -> None:
    """Have the allocator keep what a chunk frees for the next one.

    glibc gives back freed memory beyond twice the largest block that was ever freed (of up to 32 MB), and asking for it
    again, page by page, takes as long as a third of the explaining. No page of this block is touched.
    """
    np.empty(31 * 2**20, np.uint8)


class _Cells:
    """Room for what is found of a chunk's cells, which networks of several folds fill in."""

    def __init__(self, cells: int, relevance: Matrix) -> None:
        self.relevance = relevance
        self.predicted, self.target = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        self.score = np.zeros(cells)
        self.by_network: list[tuple[int, np.ndarray, Matrix]] = []


def _columns(matrix: Matrix, present: np.ndarray) -> Matrix:
    """Give the columns of the genes that the cohort has, which mostly are all."""
    return matrix if len(present) == matrix.shape[1] else matrix[:, present]


def _explain(
    cells: _Cells, chunk: Chunk, rows: np.ndarray, plan: Plan, networks: list[tuple[int, nn.Module]], books: Books
) -> None:
    """Explain some cells of a chunk: the mean of some networks' scores, in one pass through all of them."""
    members = nn.ModuleList(network for _, network in networks)
    like = plan.model.values_like(members)
    values = dense_batch(chunk.values, rows, like)
    with evaluation_mode(members), torch.enable_grad():
        reads = [plan.model.reading(network, values) for network in members]
        logits = [outputs(plan.model, network, read.outputs) for network, read in zip(members, reads, strict=True)]
        predicted = torch.stack([one.detach() for one in logits]).mean(0).argmax(1)
        target = predicted
        if not isinstance(plan.target, str):
            target = torch.as_tensor(plan.target[chunk.start + rows], device=like.device)
        against = None if plan.against is None else torch.full_like(target, plan.against)
        score = torch.stack([score_of(one, target, plan.score, against) for one in logits]).mean(0)
        if not torch.isfinite(score).all():
            cell = chunk.start + rows[int((~torch.isfinite(score)).nonzero()[0, 0])]
            raise CohortError(
                f"the model's score of the cell '{plan.expression.cells[cell]}' is not finite; are its inputs "
                f"normalised as it expects ('{plan.expression.expects.normalisation}')?"
            )
        sources = [source for read in reads for source in read.sources]
        account = ledger(score, sources, rules=plan.rules, model=members)
    cells.predicted[rows], cells.target[rows] = predicted.cpu().numpy(), target.cpu().numpy()
    cells.score[rows] = score.detach().double().cpu().numpy()
    shares, held = iter(account.relevance), 0.0
    for (number, _), read in zip(networks, reads, strict=True):
        own = read.per_gene([next(shares) for _ in read.sources]).detach().float().cpu().numpy()
        added = add_rows(cells.relevance, rows, own)
        held += (added.data if sparse.issparse(added) else added).sum(dtype=np.float64)
        cells.by_network.append((number, rows, added if len(networks) == 1 else added * np.float32(len(networks))))
    books.score += account.score
    books.genes += held
    books.biases += sum(account.inputs) - held + sum(account.leaves.values())  # special tokens hold something as well
    books.residue += account.residue
