"""What cells are explained against: nothing expressed, or the mean of the cohort, of a group or of a donor."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor

from ....domain import Progress, no_progress
from ...cohorts.cells.labels import donor_column
from ...cohorts.values.expression import Expression
from ...errors import CohortError, choices, listed
from ...models.model import GeneModel
from ...models.rank_tokens import RankTokens
from ...models.transformer import GeneTransformer
from .reference_names import REFERENCES


@dataclass(frozen=True)
class Reference:
    """The values that cells are compared with.

    Attributes
    ----------
    name
        ``"zero"``, ``"mean"``, ``"donor"`` or the name of a group.
    profiles
        Profiles x the model's genes, as the model reads them: one for all cells, or one per donor.
    of_cell
        The number of each cell's profile.
    """

    name: str
    profiles: np.ndarray = field(repr=False)
    of_cell: np.ndarray = field(repr=False)

    @property
    def keeps_zeros(self) -> bool:
        """Whether a gene that a cell doesn't express has no relevance."""
        return self.name == "zero"

    def values(self, rows: np.ndarray, like: Tensor) -> Tensor:
        """Return the values that some cells are compared with, of the dtype and device of `like`."""
        return torch.as_tensor(self.profiles[self.of_cell[rows]]).to(device=like.device, dtype=like.dtype)


def check_reference(
    name: str, model: GeneModel, obs: pd.DataFrame, *, groups: Sequence[str], groupby: str | None, donor: str | None
) -> None:
    """Raise if cells can't be explained against a reference.

    Parameters
    ----------
    name
        The reference.
    model
        The model that is explained.
    obs
        The cohort's table of cells.
    groups, groupby
        The names of the groups, and their column; none if a predicted class is a cell's group.
    donor
        The column of `obs` with donors.
    """
    if isinstance(model.reading, RankTokens):
        raise CohortError(
            f"reference='{name}': the model reads genes as tokens in their order, and neither a mean nor zero has "
            "tokens; leave out the reference, or contrast two classes with against"
        )
    # The transformer masks genes of value 0, so that cell and reference would consist of different tokens.
    masks = any(isinstance(network, GeneTransformer) for _, network in model.unseen(-1))
    if masks and (model.expects.zero_is_absence or name == "zero"):
        raise CohortError(
            f"reference='{name}': the transformer reads only the genes that a cell expresses, and the reference "
            "expresses others; leave out the reference, or explain an mlp or linear model against it"
        )
    check_reference_of(name, obs, groups=groups, groupby=groupby, donor=donor)


def check_reference_of(
    name: str, obs: pd.DataFrame, *, groups: Sequence[str], groupby: str | None, donor: str | None
) -> None:
    """Raise if a cohort has no such reference, whatever the model; see `check_reference`."""
    if name in REFERENCES and name in groups:
        raise CohortError(
            f"reference='{name}' is {REFERENCES[name]}, but '{groupby}' also has a group of this name; rename the group"
        )
    if name not in REFERENCES and not len(groups):
        raise CohortError(
            f"reference='{name}' is not one of {listed(REFERENCES)}, and the cohort has no column of groups: name it "
            "with groupby"
        )
    if name not in REFERENCES and name not in groups:
        column = f" of '{groupby}'" if groupby else ""
        raise CohortError(
            f"unknown reference '{name}'; expected {', '.join(map(repr, REFERENCES))} or a group{column}: "
            f"{choices(name, groups)}"
        )
    if name == "donor":
        _check_donors(obs, donor)


def _check_donors(obs: pd.DataFrame, donor: str | None) -> None:
    """Raise if there is no column of donors, or a donor has a single cell."""
    if donor is None:
        raise CohortError("reference='donor' requires the column of obs with donors; name it with donor")
    sizes = donor_column(obs, donor).value_counts(sort=False)
    single = sizes[sizes == 1].index
    if len(single):
        raise CohortError(
            f"{len(single)} of {len(sizes)} donors in '{donor}' have a single cell, which doesn't differ from the mean "
            f"of its donor: {listed(single, 5)}; drop these cells, or use reference='mean'"
        )


def reference_of(
    name: str,
    expression: Expression,
    *,
    labels: pd.Series | None,
    donors: np.ndarray,
    size: int,
    progress: Progress = no_progress,
) -> Reference:
    """Compute a reference in one pass over a cohort, of which only one chunk of cells is in memory.

    Parameters
    ----------
    name
        A reference that `check_reference` accepts.
    expression
        The expression that is explained.
    labels
        The group of each cell; only read if the reference is one.
    donors
        The number of each cell's donor; only read for ``"donor"``.
    size
        Number of cells to read at a time.
    progress
        Wraps the iteration over chunks.
    """
    everyone = np.zeros(expression.n_cells, np.int64)
    if name == "zero":
        return Reference(name, np.zeros((1, expression.n_inputs)), everyone)
    means = partial(_means, expression, size=size, progress=progress)
    if name == "mean":
        return Reference(name, means(everyone), everyone)
    if name == "donor":
        return Reference(name, means(donors), donors)
    in_group = np.where((labels == name).to_numpy(), 0, -1)
    return Reference(name, means(in_group), everyone)


def _means(expression: Expression, number: np.ndarray, *, size: int, progress: Progress) -> np.ndarray:
    """Compute the mean of the cells of each number, numbers x the model's genes; cells with number -1 don't count."""
    counts = np.bincount(number[number >= 0])
    sums = np.zeros((len(counts), expression.n_inputs))
    for start in progress(range(0, expression.n_cells, size), "Averaging"):
        numbers = number[start : start + size]
        rows = np.flatnonzero(numbers >= 0)
        if not len(rows):
            continue
        values = expression.chunk(start, start + size).values
        members = sparse.csr_matrix((np.ones(len(rows)), (numbers[rows], rows)), shape=(len(counts), len(numbers)))
        added = members @ values.astype(np.float64)
        sums += added.toarray() if sparse.issparse(added) else added
    return sums / counts[:, None]
