"""What an explanation of sequences contains: relevance per letter, contributions of all letters, tables and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..domain import Account, DomainError, Outcome, arrays_of, outcome_table, read_arrays, read_outcomes
from ..domain.page import drawing, templates
from .files import Record
from .letters import Alphabet
from .tracks import write_bedgraph, write_bigwig, write_modisco

LOGO, IN_NOTEBOOK = 100, 20  # letters of a logo, sequences that a notebook shows


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
        return logo_figure(self.contributions[start:end], self.alphabet, start)

    def to_html(self) -> str:
        """Return a self-contained page with a logo and the coloured sequence."""
        return page([self])

    def _repr_html_(self) -> str:
        return page([self], whole=False)

    def to_array(self) -> np.ndarray:
        """Return one row per letter: letter, place, relevance, and hypothetical contributions, a column per letter."""
        chromosome = self.record.chromosome or ""
        kinds = [("letter", "S1"), ("chromosome", f"U{max(1, len(chromosome))}"), ("start", "i8"), ("relevance", "f4")]
        array = np.empty(len(self.sequence), [*kinds, *((letter, "f4") for letter in self.alphabet)])
        array["letter"], array["chromosome"] = np.frombuffer(self.sequence.encode(), "S1"), chromosome
        array["start"], array["relevance"] = self.record.positions(), self.relevance
        for number, letter in enumerate(self.alphabet):
            array[letter] = np.nan if self.hypothetical is None else self.hypothetical[:, number]
        return array


@dataclass(frozen=True, repr=False)
class SequenceRelevances(Sequence[SequenceRelevance]):
    """Explained sequences in order (`items`), and the summed ledger of their batches (`account`)."""

    items: tuple[SequenceRelevance, ...]
    account: Account

    def __getitem__(self, index):
        return SequenceRelevances(self.items[index], self.account) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"SequenceRelevances({len(self)} sequences)"

    def table(self) -> pd.DataFrame:
        """Return one row per sequence: name, prediction, probability, target, score, reference_score, units, rest."""
        return outcome_table(self.items)

    def to_npz(self, sequences: str | Path, contributions: str | Path) -> None:
        """Write what ``modisco motifs -s SEQUENCES -a CONTRIBUTIONS`` reads: each ``arr_0``, N x 4 x L, of ACGT."""
        write_modisco(self.items, sequences, contributions)

    def to_bigwig(self, path: str | Path, sizes: str | Path | Mapping[str, int]) -> None:
        """Write relevance as a bigWig track; `sizes` are those of chromosomes, also a ``.sizes`` or ``.fai`` file."""
        write_bigwig(self.items, path, sizes)

    def to_bedgraph(self, path: str | Path) -> None:
        """Write relevance as a bedGraph track."""
        write_bedgraph(self.items, path)

    def to_html(self, title: str = "Relevance of sequences") -> str:
        """Return a self-contained page with logos and coloured sequences."""
        return page(self.items, title)

    def _repr_html_(self) -> str:
        return page(self.items[:IN_NOTEBOOK], whole=False)


def read_explained(table: str | Path, numbers: Sequence[int] | None = None) -> SequenceRelevances:
    """Read explained sequences from their table and the arrays next to it; some of them by their numbers."""
    outcomes = read_outcomes(table).set_index("sample", drop=False).drop(columns="rest")
    outcomes = (outcomes if numbers is None else outcomes.loc[list(numbers)]).astype(object)
    arrays, items = read_arrays(arrays_of(table), [str(number) for number in outcomes["sample"]]), []
    for row in outcomes.where(outcomes.notna(), None).to_dict("records"):
        array = arrays[str(row.pop("sample"))]
        if (array.dtype.names or ())[:4] != ("letter", "chromosome", "start", "relevance"):
            raise DomainError(f"'{table}' is not a table of explained sequences")
        place = str(array["chromosome"][0]) or None, int(array["start"].min())
        strand = "-" if array["start"][0] > array["start"][-1] else "+"
        record = Record(array["letter"].tobytes().decode(), row["name"], *place, strand, row["label"])
        letters, notes = array.dtype.names[4:], (row.pop("notes"),)
        hypothetical = np.column_stack([array[letter] for letter in letters])
        known = {"record": record, "alphabet": "".join(letters), "relevance": array["relevance"]}
        known |= {
            "hypothetical": None if np.isnan(hypothetical).all() else hypothetical,
            "notes": notes if notes[0] else (),
        }
        items.append(SequenceRelevance(**row, **known))
    return SequenceRelevances(tuple(items), Account())


def logo_figure(heights: np.ndarray, alphabet: str, first: int = 0) -> Figure:
    """Draw letters with a scale, as high as L x A numbers; the first one is at position `first` + 1."""
    import logomaker

    # What nobody would see isn't drawn, as each letter takes time.
    heights = np.where(np.abs(heights) < 0.02 * np.abs(heights).max(initial=0), 0.0, heights)

    figure = Figure(figsize=(1.2 + 0.13 * max(20, len(heights)), 1.5), layout="constrained")
    axes = figure.add_subplot(ylabel="relevance")
    table = pd.DataFrame(heights, columns=list(alphabet), index=np.arange(first + 1, first + 1 + len(heights)))
    logomaker.Logo(table, ax=axes, color_scheme="classic" if set(alphabet) <= set("ACGTU") else "chemistry")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def page(items: Sequence[SequenceRelevance], title: str = "Relevance of sequences", *, whole: bool = True) -> str:
    """Return a page of explained sequences; only its body, for a notebook, unless `whole`."""
    shown = [(item, drawing(item.logo())) for item in items]
    return templates(__package__).get_template("sequences.html.j2").render(shown=shown, title=title, whole=whole)
