"""Single cells of a cohort, in memory."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from .expression import Expression
from .layers import canonical

WINDOW = 256  # cells that are at most this far apart are read at once


def only_cells(expression: Expression, rows: np.ndarray) -> Expression:
    """Read single cells, whose row numbers ascend, and return their expression; what it is read by stays the cohort's.

    Cells that are close are read at once.
    """
    parts = []
    for start in np.unique(rows // WINDOW) * WINDOW:
        near = rows[(rows >= start) & (rows < start + WINDOW)]
        parts.append(canonical(expression.stored[int(near[0]) : int(near[-1]) + 1])[near - near[0]])
    stored = sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)
    return replace(expression, stored=stored, cells=expression.cells[rows])
