"""Rows of other cells, whose expression has no link to a cell's label."""

import numpy as np
import pandas as pd


def unlinked_rows(values: np.ndarray, donors: pd.Series | None, random: np.random.Generator) -> np.ndarray:
    """Draw for each cell the cell whose expression its decoys have.

    All genes of a cell move together, so that decoys are as correlated with one another as genes are. In a cohort of
    patients decoys that are drawn gene by gene would be too easy to beat: chance favours whole modules of genes.

    ============================ ===================================================================
    without donors               the cells are permuted
    labels vary within a donor   the cells of the donor are permuted
    labels are those of a donor  donors are permuted: a cell's decoys come from the cells of another
                                 donor, each of which is used as often as the numbers of cells allow
    ============================ ===================================================================

    Parameters
    ----------
    values
        What is learnt of each cell.
    donors
        The donor of each cell; None if every cell is a donor, or donors are ignored.
    random
        The generator.

    Returns
    -------
    One row number per cell.
    """
    if donors is None:
        return random.permutation(len(values))

    codes = pd.factorize(donors)[0]
    cells_of = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    constant = [number for number, cells in enumerate(cells_of) if np.ptp(values[cells]) == 0]
    source = np.arange(len(cells_of))
    source[constant] = random.permutation(constant)

    rows = np.empty(len(values), np.int64)
    for cells, number in zip(cells_of, source, strict=True):
        rows[cells] = random.permutation(np.resize(random.permutation(cells_of[number]), len(cells)))
    return rows
