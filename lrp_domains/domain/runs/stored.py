"""Explained samples in files, each of which is read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..files.arrays import reading_arrays
from ..results.outcomes import Outcome, outcomes_by_number, read_outcomes
from .parts import arrays_of

Sample = TypeVar("Sample", bound=Outcome)


class _Stored(Mapping[int, Sample]):
    def __init__(self, outcomes: Mapping[int, Outcome], read: Callable[[int, Outcome], Sample]) -> None:
        self._outcomes, self._read = outcomes, read

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[int]:
        return iter(self._outcomes)

    def __contains__(self, number: object) -> bool:  # without reading it
        return number in self._outcomes

    def __getitem__(self, number: int) -> Sample:
        return self._read(number, self._outcomes[number])


@contextmanager
def stored(table: str | Path, make: Callable[[Outcome, np.ndarray], Sample]) -> Iterator[Mapping[int, Sample]]:
    """Yield explained samples by their numbers; only those in use are in memory.

    Parameters
    ----------
    table
        The table that `explain_parts` or `gather_parts` wrote, with the arrays next to it.
    make
        From the outcome and the array of a sample to the sample.
    """
    outcomes = outcomes_by_number(read_outcomes(table))
    with reading_arrays(arrays_of(table)) as array_of:
        yield _Stored(outcomes, lambda number, outcome: make(outcome, array_of(str(number))))
