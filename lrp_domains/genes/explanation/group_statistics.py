"""What is kept of a cohort's relevance: sums over groups of cells, gathered in one pass in constant memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import pandas as pd
from scipy import sparse

from ..cohorts.labels import donor_column
from ..cohorts.normalisation import Matrix
from ..errors import CohortError
from .group_sums import adding, as_is, is_positive, positive_part
from .sparse import with_data
from .top_genes import among_first

# Without donors, cells are dealt into so many blocks, which the bootstrap draws from.
BLOCKS = 32
MOST_BYTES = 2 * 2**30


@dataclass(frozen=True)
class GroupStatistics:
    """Sums over cells, by group and gene; and by unit: the donors, or blocks of cells where none are named.

    Attributes
    ----------
    groups, genes, units
        Names: of the groups, of the genes that the model reads, of the donors (or blocks) that cells come from.
    donors
        Whether the units are donors.
    first
        The length of a cell's, and of a network's, list of first genes.
    normalisation, unit
        What the expression's values are, and what 1 of them is in the layer's own scale, by gene.
    cells
        Groups: all cells. `counted`, units x groups: those that were explained for their group.
    sums
        Units x groups x genes: relevance of the counted cells.
    squares, positive, n_positive, n_first
        Groups x genes, of the counted cells: squared relevance, its positive part, how often it is positive, how often
        the gene is among the cell's first.
    networks, network_cells
        Networks x groups x genes: relevance by each network on its own; networks x groups: its cells. Empty for a
        single network: see `by_network`.
    expression, expression_squares
        Groups x genes, of all cells: the gene's values as the model reads them, and their squares.
    """

    groups: np.ndarray
    genes: np.ndarray
    units: np.ndarray
    donors: bool
    first: int
    normalisation: str
    unit: np.ndarray
    cells: np.ndarray
    counted: np.ndarray
    sums: np.ndarray = field(repr=False)
    squares: np.ndarray = field(repr=False)
    positive: np.ndarray = field(repr=False)
    n_positive: np.ndarray = field(repr=False)
    n_first: np.ndarray = field(repr=False)
    networks: np.ndarray = field(repr=False)
    network_cells: np.ndarray = field(repr=False)
    expression: np.ndarray = field(repr=False)
    expression_squares: np.ndarray = field(repr=False)

    @classmethod
    def empty(
        cls,
        groups: Sequence[str],
        genes: Sequence[str],
        units: Sequence[str],
        *,
        donors: bool,
        networks: int,
        first: int,
        normalisation: str,
        unit: np.ndarray,
    ) -> "GroupStatistics":
        """Make room for sums."""
        u, g, p = len(units), len(groups), len(genes)
        if (needed := 8 * (u + networks + 6) * g * p) > MOST_BYTES:
            raise CohortError(
                f"{u} donors x {g} groups x {p} genes take {needed / 2**30:.0f} GB; name no donor column, or a coarser "
                "one (a cell's p-value then is NaN)"
            )
        own = networks if networks > 1 else 0
        by_gene = [np.zeros((g, p)) for _ in range(4)]
        return cls(
            np.asarray(groups, dtype=object), np.asarray(genes, dtype=object), np.asarray(units, dtype=object),
            donors, min(first, p), normalisation, unit, np.zeros(g), np.zeros((u, g)), np.zeros((u, g, p)), *by_gene,
            np.zeros((own, g, p)), np.zeros((own, g)), *[np.zeros((g, p)) for _ in range(2)],
        )  # fmt: skip

    def add_relevance(self, relevance: Matrix, group: np.ndarray, unit: np.ndarray, counted: np.ndarray) -> None:
        """Add some cells.

        Parameters
        ----------
        relevance
            Cells x genes; what is not stored of a sparse matrix is 0.
        group, unit
            The number of each cell's group and unit.
        counted
            Whether a cell was explained for its group.
        """
        relevance = _counted(relevance, counted)
        u, g, p = self.sums.shape
        np.add.at(self.counted, (unit[counted], group[counted]), 1)
        adding(relevance, unit * g + group)(self.sums.reshape(u * g, p), as_is)
        by_group = adding(relevance, group)
        by_group(self.squares, np.square)
        by_group(self.positive, positive_part)
        by_group(self.n_positive, is_positive)
        by_group(self.n_first, lambda _: among_first(relevance, self.first))

    def add_network(self, number: int, relevance: Matrix, group: np.ndarray, counted: np.ndarray) -> None:
        """Add what one network on its own says of some cells; a single one says what `sums` hold."""
        if not len(self.networks):
            return
        adding(_counted(relevance, counted), group)(self.networks[number], as_is)
        self.network_cells[number] += np.bincount(group[counted], minlength=len(self.groups))

    def by_network(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the sums of each network on its own, networks x groups x genes, and its cells, networks x groups."""
        if len(self.networks):
            return self.networks, self.network_cells
        return self.sums.sum(0, keepdims=True), self.counted.sum(0, keepdims=True)

    def add_expression(self, values: Matrix, group: np.ndarray) -> None:
        """Add what some cells express, as the model reads it: cells x genes."""
        self.cells[:] += np.bincount(group, minlength=len(self.groups))
        by_group = adding(values, group)
        by_group(self.expression, as_is)
        by_group(self.expression_squares, np.square)

    def to_slot(self) -> dict[str, object]:
        """Give what an AnnData file can hold in ``uns``."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_slot(cls, slot: dict[str, object]) -> "GroupStatistics":
        """Take back what `to_slot` gave."""
        try:
            given = {one.name: slot[one.name] for one in fields(cls)}
        except KeyError as error:
            raise CohortError(f"the cohort's group statistics lack {error}; explain it again") from None
        for names in ("groups", "genes", "units"):  # zarr has strings of its own
            given[names] = np.array([str(name) for name in given[names]], dtype=object)
        return cls(**given | {"donors": bool(given["donors"]), "first": int(given["first"])})


def units_of(obs: pd.DataFrame, donor: str | None, seed: int = 0) -> tuple[np.ndarray, np.ndarray, bool]:
    """Give the units that cells come from: the number of each cell's, their names, and whether they are donors.

    Parameters
    ----------
    obs
        The cohort's table of cells.
    donor
        A column of `obs`, or ``"index"`` where every row is a donor of its own, as in bulk cohorts.
    """
    if donor is None:
        blocks = np.random.default_rng(seed).integers(0, BLOCKS, len(obs))
        return blocks, np.arange(BLOCKS).astype(str), False
    donors = donor_column(obs, donor)
    return donors.cat.codes.to_numpy().astype(np.int64), donors.cat.categories.to_numpy(dtype=object), True


def _counted(relevance: Matrix, counted: np.ndarray) -> Matrix:
    """Set the relevance of cells that don't count to 0, which adds nothing: cheaper than to leave them out."""
    if counted.all():
        return relevance
    if not sparse.issparse(relevance):
        return np.where(counted[:, None], relevance, 0)
    return with_data(relevance, np.where(np.repeat(counted, np.diff(relevance.indptr)), relevance.data, 0))
