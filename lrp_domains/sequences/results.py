"""What an explanation of sequences contains: relevance per letter, contributions of all letters, tables and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..domain import DomainError, ExplainedSamples, Outcome, Page, stored
from ..genomics.arrays import array_of, read_array
from ..genomics.letters import Alphabet
from ..genomics.logos import logo_figure
from ..genomics.records import Record
from ..genomics.tracks import write_bedgraph, write_bigwig, write_modisco

LOGO = 100  # letters
PAGE = Page(
    package=__package__, template="items.html.j2", draw=lambda item: item.logo(), title="Relevance of sequences"
)


@dataclass(frozen=True, kw_only=True)
class SequenceRelevance(Outcome):
    """One explained sequence. Its name, prediction, score, ... are those of any `lrp_domains.domain.Outcome`.

    Attributes
    ----------
    record
        The sequence, and its place.
    alphabet
        The letters, in the order of the columns of contributions.
    relevance
        Per letter of the sequence, in units of the score: L numbers.
    hypothetical
        What each letter would contribute at each position, L x A; at the letter that is there, its relevance. None for
        tokens.
    """

    record: Record = field(repr=False)
    alphabet: str
    relevance: np.ndarray = field(repr=False)
    hypothetical: np.ndarray | None = field(repr=False, default=None)

    @property
    def sequence(self) -> str:
        """The letters."""
        return self.record.letters

    @property
    def one_hot(self) -> np.ndarray:
        """Which letter is where, L x A."""
        return Alphabet(self.alphabet).one_hot(self.sequence)

    @property
    def contributions(self) -> np.ndarray:
        """The relevance of the letters that are there, L x A, and 0 elsewhere."""
        return self.one_hot * self.relevance[:, None]

    def table(self) -> pd.DataFrame:
        """Return a row per letter: ``position`` from 1, ``letter``, ``relevance``; ``chromosome``, ``start`` from 0."""
        columns = {"position": np.arange(1, len(self.sequence) + 1), "letter": list(self.sequence)}
        place = {"chromosome": self.record.chromosome, "start": self.record.positions()}
        return pd.DataFrame(columns | {"relevance": self.relevance} | (place if self.record.chromosome else {}))

    def top(self, k: int = 10) -> pd.DataFrame:
        """Return the rows of the k letters with the largest absolute relevance."""
        return self.table().sort_values("relevance", key=np.abs, ascending=False, kind="stable").head(k)

    def logo(self, start: int | None = None, end: int | None = None) -> Figure:
        """Draw letters as high as their relevance, from `start` to `end`; by default the strongest 100."""
        if start is None and end is None:
            width = min(LOGO, len(self.relevance))
            start = int(np.convolve(np.abs(self.relevance), np.ones(width), "valid").argmax())
            end = start + width
        start, end, _ = slice(start, end).indices(len(self.sequence))
        if start >= end:
            raise DomainError(f"there is no letter from {start} to {end} of {len(self.sequence)} to draw")
        return logo_figure(self.contributions[start:end], self.alphabet, start)

    def to_html(self) -> str:
        """Return a self-contained page with a logo and the coloured sequence."""
        return PAGE.whole([self])

    def _repr_html_(self) -> str:
        return PAGE.body([self])

    def to_array(self) -> np.ndarray:
        """Return one row per letter: letter, place, relevance, and hypothetical contributions, a column per letter."""
        return array_of(self.record, self.alphabet, self.relevance, self.hypothetical)


class SequenceRelevances(ExplainedSamples[SequenceRelevance]):
    """Explained sequences (`items`), in order."""

    unit, page = "sequences", PAGE

    def to_npz(self, sequences: str | Path, contributions: str | Path) -> None:
        """Write what ``modisco motifs -s SEQUENCES -a CONTRIBUTIONS`` reads: each ``arr_0``, N x 4 x L, of ACGT."""
        write_modisco(dict(enumerate(self)), sequences, contributions)

    def to_bigwig(self, path: str | Path, sizes: str | Path | Mapping[str, int]) -> None:
        """Write relevance as a bigWig track; `sizes` are those of chromosomes, also a ``.sizes`` or ``.fai`` file."""
        write_bigwig(dict(enumerate(self)), path, sizes)

    def to_bedgraph(self, path: str | Path) -> None:
        """Write relevance as a bedGraph track."""
        write_bedgraph(dict(enumerate(self)), path)


def open_explained(table: str | Path) -> AbstractContextManager[Mapping[int, SequenceRelevance]]:
    """Use explained sequences by their numbers, each of which is read when it is asked for."""

    def read(outcome: Outcome, array: np.ndarray) -> SequenceRelevance:
        return SequenceRelevance(**vars(outcome) | read_array(array, outcome.name, outcome.label))

    return stored(table, read)


def read_explained(table: str | Path, numbers: Sequence[int] | None = None) -> SequenceRelevances:
    """Read explained sequences from their table and the arrays next to it; some of them by their numbers."""
    with open_explained(table) as items:
        numbers = items if numbers is None else numbers
        if unknown := [number for number in numbers if number not in items]:
            known = f"its {len(items):,} have the numbers {min(items)} to {max(items)}"
            raise DomainError(f"'{table}' has no sequence {unknown[0]}: {known}")
        return SequenceRelevances(tuple(items[number] for number in numbers))
