"""Sums of a cohort's relevance over groups of cells, computed in one pass in constant memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd
from scipy import sparse

from ...cohorts.cells.labels import donor_column
from ...cohorts.values.normalisation import Matrix
from ...errors import CohortError
from .group_sums import is_positive, positive_part, sums_by_group, unchanged
from .sparse import with_data
from .top_genes import among_top

# Without donors, cells are dealt at random into this many blocks, which the bootstrap draws from.
BLOCKS = 32
MOST_BYTES = 2 * 2**30
# Attributes that a file returns as numpy's types.
PLAIN = {"by_donor": bool, "top": int, "normalisation": str, "log_base": float, "by_absence": bool}


@dataclass(frozen=True)
class GroupStatistics:
    """Sums over cells, by group and gene; and by block: a donor, or a random block of cells without a donor column.

    Attributes
    ----------
    groups, genes, blocks
        Names: of the groups, of the genes that the model reads, of the donors or random blocks.
    by_donor
        Whether the blocks are donors.
    top
        Number of top genes of a cell, and of a network.
    normalisation, scale
        What the expression's values are, and the value of 1 on the layer's scale, by gene.
    log_base
        The base of the logs in the layer; NaN if it holds none.
    by_absence
        Whether a gene can be evidence by its absence: relevance isn't 0 where a cell doesn't express it.
    cells
        Groups: all cells.
    counted
        Blocks x groups: the cells that were explained for their group.
    sums
        Blocks x groups x genes: relevance of the counted cells.
    squares, positive, n_positive, n_top
        Groups x genes, of the counted cells: squared relevance, its positive part, how often it is positive, how often
        the gene is among the cell's top genes.
    networks, network_cells
        Networks x groups x genes: relevance by each network alone; networks x groups: its cells. Empty for a single
        network: see `by_network`.
    expression, expression_squares
        Groups x genes, of all cells: the gene's values as the model reads them, and their squares.
    """

    groups: np.ndarray
    genes: np.ndarray
    blocks: np.ndarray
    by_donor: bool
    top: int
    normalisation: str
    scale: np.ndarray
    log_base: float
    by_absence: bool
    cells: np.ndarray
    counted: np.ndarray
    sums: np.ndarray = field(repr=False)
    squares: np.ndarray = field(repr=False)
    positive: np.ndarray = field(repr=False)
    n_positive: np.ndarray = field(repr=False)
    n_top: np.ndarray = field(repr=False)
    networks: np.ndarray = field(repr=False)
    network_cells: np.ndarray = field(repr=False)
    expression: np.ndarray = field(repr=False)
    expression_squares: np.ndarray = field(repr=False)

    @classmethod
    def empty(
        cls,
        groups: Sequence[str],
        genes: Sequence[str],
        blocks: Sequence[str],
        *,
        by_donor: bool,
        networks: int,
        top: int,
        normalisation: str,
        scale: np.ndarray,
        log_base: float = math.e,
        by_absence: bool = False,
    ) -> "GroupStatistics":
        """Allocate the sums."""
        b, g, p = len(blocks), len(groups), len(genes)
        if (needed := 8 * (b + networks + 6) * g * p) > MOST_BYTES:
            raise CohortError(
                f"{b} donors x {g} groups x {p} genes take {needed / 2**30:.0f} GB; name no donor column, or a coarser "
                "one (p-values are NaN without donors)"
            )
        several = networks if networks > 1 else 0
        return cls(
            groups=np.asarray(groups, dtype=object),
            genes=np.asarray(genes, dtype=object),
            blocks=np.asarray(blocks, dtype=object),
            by_donor=by_donor,
            top=min(top, p),
            normalisation=normalisation,
            scale=scale,
            log_base=log_base,
            by_absence=by_absence,
            cells=np.zeros(g),
            counted=np.zeros((b, g)),
            sums=np.zeros((b, g, p)),
            squares=np.zeros((g, p)),
            positive=np.zeros((g, p)),
            n_positive=np.zeros((g, p)),
            n_top=np.zeros((g, p)),
            networks=np.zeros((several, g, p)),
            network_cells=np.zeros((several, g)),
            expression=np.zeros((g, p)),
            expression_squares=np.zeros((g, p)),
        )

    def add_relevance(self, relevance: Matrix, *, group: np.ndarray, block: np.ndarray, counted: np.ndarray) -> None:
        """Add the relevance of some cells.

        Parameters
        ----------
        relevance
            Cells x genes; entries that a sparse matrix doesn't store are 0.
        group, block
            The number of each cell's group and block.
        counted
            Whether a cell was explained for its group.
        """
        relevance = _counted(relevance, counted)
        b, g, p = self.sums.shape
        np.add.at(self.counted, (block[counted], group[counted]), 1)
        sums_by_group(relevance, block * g + group)(self.sums.reshape(b * g, p), unchanged)

        add = sums_by_group(relevance, group)
        add(self.squares, np.square)
        add(self.positive, positive_part)
        add(self.n_positive, is_positive)
        add(self.n_top, lambda _: among_top(relevance, self.top))

    def add_network(self, number: int, relevance: Matrix, *, group: np.ndarray, counted: np.ndarray) -> None:
        """Add the relevance of some cells by one network alone; of a single network `sums` has it already."""
        if not len(self.networks):
            return
        sums_by_group(_counted(relevance, counted), group)(self.networks[number], unchanged)
        self.network_cells[number] += np.bincount(group[counted], minlength=len(self.groups))

    def by_network(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of each network alone, networks x groups x genes, and its cells, networks x groups."""
        if len(self.networks):
            return self.networks, self.network_cells
        return self.sums.sum(0, keepdims=True), self.counted.sum(0, keepdims=True)

    def add_expression(self, values: Matrix, group: np.ndarray) -> None:
        """Add the expression of some cells, as the model reads it: cells x genes."""
        self.cells[:] += np.bincount(group, minlength=len(self.groups))
        add = sums_by_group(values, group)
        add(self.expression, unchanged)
        add(self.expression_squares, np.square)

    def summed(self) -> list[str]:
        """Return the names of the arrays that are sums over cells."""
        arrays = {attribute.name: getattr(self, attribute.name) for attribute in fields(self)}
        return [
            name
            for name, array in arrays.items()
            if name != "scale" and isinstance(array, np.ndarray) and array.dtype != object
        ]

    def merge(self, other: "GroupStatistics") -> None:
        """Add the sums over other cells of the same cohort."""
        for name in self.summed():
            getattr(self, name)[...] += getattr(other, name)

    def to_slot(self) -> dict[str, object]:
        """Return a dictionary that an AnnData file can store in ``uns``."""
        return {attribute.name: getattr(self, attribute.name) for attribute in fields(self)}

    @classmethod
    def from_slot(cls, slot: dict[str, object]) -> "GroupStatistics":
        """Convert the dictionary of `to_slot` back."""
        try:
            values = {attribute.name: slot[attribute.name] for attribute in fields(cls)}
        except KeyError as error:
            raise CohortError(
                f"the cohort's group statistics lack {error}, as those of another version do; explain the cohort again"
            ) from None
        for name in ("groups", "genes", "blocks"):  # zarr has its own type of strings
            values[name] = np.array([str(value) for value in values[name]], dtype=object)
        plain = {name: kind(values[name]) for name, kind in PLAIN.items()}
        return cls(**values | plain)


def blocks_of(obs: pd.DataFrame, donor: str | None, seed: int = 0) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the number of each cell's block, the names of the blocks, and whether they are donors.

    Parameters
    ----------
    obs
        The cohort's table of cells.
    donor
        A column of `obs`, or ``"index"`` if every row is a donor, as in bulk cohorts; None for random blocks.
    seed
        Fixes random blocks.
    """
    if donor is None:
        numbers = np.random.default_rng(seed).integers(0, BLOCKS, len(obs))
        return numbers, np.arange(BLOCKS).astype(str), False
    donors = donor_column(obs, donor)
    return donors.cat.codes.to_numpy().astype(np.int64), donors.cat.categories.to_numpy(dtype=object), True


def _counted(relevance: Matrix, counted: np.ndarray) -> Matrix:
    """Set the relevance of cells that don't count to 0, which adds nothing: cheaper than dropping them."""
    if counted.all():
        return relevance
    if not sparse.issparse(relevance):
        return np.where(counted[:, None], relevance, 0)
    return with_data(relevance, np.where(np.repeat(counted, np.diff(relevance.indptr)), relevance.data, 0))
