"""What an explanation of sequences contains: relevance per letter, contributions of all letters, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
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

LONGEST_LOGO = 100  # letters


@dataclass(frozen=True, kw_only=True)
class SequenceRelevance(Outcome):
    """One explained sequence; what it shares with samples of all domains is that of `lrp_domains.domain.Outcome`.

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
        return Alphabet(self.alphabet).one_hot(self.sequence.upper())

    @property
    def contributions(self) -> np.ndarray:
        """The relevance of the letters that are there, L x A, and 0 elsewhere."""
        return self.one_hot * self.relevance[:, None]

    def table(self) -> pd.DataFrame:
        """Return one row per letter: ``position`` from 1, ``letter``, ``relevance``; ``chromosome``, ``start`` from 0."""
        columns = {"position": np.arange(1, len(self.sequence) + 1), "letter": list(self.sequence)}
        columns |= {"relevance": self.relevance}
        if self.record.chromosome is not None:
            columns |= {"chromosome": self.record.chromosome, "start": self.record.positions()}
        return pd.DataFrame(columns)

    def top(self, k: int = 10) -> pd.DataFrame:
        """Return the rows of the k letters with the largest absolute relevance."""
        return self.table().sort_values("relevance", key=np.abs, ascending=False, kind="stable").head(k)

    def strongest(self, width: int) -> tuple[int, int]:
        """Return where the part of so many letters begins and ends that has the most absolute relevance."""
        width = min(width, len(self.relevance))
        sums = np.convolve(np.abs(self.relevance), np.ones(width), "valid")
        return int(sums.argmax()), int(sums.argmax()) + width

    def logo(self, start: int | None = None, end: int | None = None) -> Figure:
        """Draw letters as high as their relevance, from `start` to `end`; by default the strongest 100 letters."""
        if start is None and end is None:
            start, end = self.strongest(LONGEST_LOGO)
        start, end, _ = slice(start, end).indices(len(self.sequence))
        return logo_figure(self.contributions[start:end], self.alphabet, start, "relevance")

    def to_html(self) -> str:
        """Return a self-contained page with a logo and the coloured sequence."""
        return page([self])

    def _repr_html_(self) -> str:
        return page([self], whole=False)

    def to_array(self) -> np.ndarray:
        """Return everything about letters as one array, one row per letter, which `read_explained` reads."""
        chromosome = self.record.chromosome or ""
        width, columns = max(1, len(chromosome)), 0 if self.hypothetical is None else len(self.alphabet)
        kind = [("letter", "S1"), ("chromosome", f"U{width}"), ("start", "i8"), ("relevance", "f4")]
        array = np.empty(len(self.sequence), [*kind, ("hypothetical", "f4", (columns,))])
        array["letter"] = np.frombuffer(self.sequence.encode(), "S1")
        array["chromosome"], array["start"] = chromosome, self.record.positions()
        array["relevance"], array["hypothetical"] = self.relevance, self.hypothetical if columns else 0
        return array


@dataclass(frozen=True, repr=False)
class SequenceRelevances(Sequence[SequenceRelevance]):
    """Explained sequences in order, and the summed ledger of their batches (`account`)."""

    items: tuple[SequenceRelevance, ...]
    account: Account

    def __getitem__(self, index):
        return SequenceRelevances(self.items[index], self.account) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"SequenceRelevances({len(self)} sequences)"

    def table(self) -> pd.DataFrame:
        """Return one row per sequence: prediction, probability, target, score, reference_score, units, rest."""
        return outcome_table(self.items)

    def to_npz(self, sequences: str | Path, contributions: str | Path) -> None:
        """Write what ``modisco motifs -s SEQUENCES -a CONTRIBUTIONS`` reads: both ``arr_0``, N x 4 x L, in order ACGT."""
        write_modisco(self.items, sequences, contributions)

    def to_bigwig(self, path: str | Path, sizes: str | Path | dict[str, int]) -> None:
        """Write relevance as a bigWig track; `sizes` are those of chromosomes, also a ``.sizes`` or ``.fai`` file."""
        write_bigwig(self.items, path, sizes)

    def to_bedgraph(self, path: str | Path) -> None:
        """Write relevance as a bedGraph track."""
        write_bedgraph(self.items, path)

    def to_html(self, title: str = "Relevance of sequences") -> str:
        """Return a self-contained page with logos and coloured sequences."""
        return page(self.items, title)

    def _repr_html_(self) -> str:
        return page(self.items[:20], whole=False)


def read_explained(table: str | Path, alphabet: str = "DNA", numbers: Sequence[int] | None = None) -> SequenceRelevances:
    """Read explained sequences from their table and the arrays next to it, some of them by their numbers."""
    outcomes = read_outcomes(table).set_index("sample", drop=False).drop(columns="rest").astype(object)
    outcomes = outcomes if numbers is None else outcomes.loc[list(numbers)]
    arrays = read_arrays(arrays_of(table), [str(number) for number in outcomes["sample"]])
    letters, items = Alphabet.of(alphabet).letters, []
    for row in outcomes.where(outcomes.notna(), None).to_dict("records"):
        array = arrays[str(row.pop("sample"))]
        if array.dtype.names is None or array["hypothetical"].shape[1] not in (0, len(letters)):
            raise DomainError(f"'{table}' is not a table of explained sequences of the letters {letters}")
        start, strand = array["start"].min(), "-" if array["start"][0] > array["start"][-1] else "+"
        place = (str(array["chromosome"][0]) or None, int(start), strand)
        record = Record(array["letter"].tobytes().decode(), row["name"], *place, row["label"])
        hypothetical = array["hypothetical"] if array["hypothetical"].shape[1] else None
        known = {"record": record, "alphabet": letters, "relevance": array["relevance"], "hypothetical": hypothetical}
        items.append(SequenceRelevance(**row | {"notes": tuple(filter(None, [row["notes"]]))}, **known))
    return SequenceRelevances(tuple(items), Account())


def logo_figure(heights: np.ndarray, alphabet: str, first: int = 0, label: str = "") -> Figure:
    """Draw L x A heights of letters as a logo with a scale; positions count from `first` + 1."""
    import logomaker

    figure = Figure(figsize=(1.2 + 0.13 * max(20, len(heights)), 1.5), layout="constrained")
    axes = figure.add_subplot()
    frame = pd.DataFrame(heights, columns=list(alphabet), index=np.arange(first + 1, first + 1 + len(heights)))
    colours = "classic" if set(alphabet) <= set("ACGTU") else "chemistry"
    logomaker.Logo(frame, ax=axes, color_scheme=colours)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def page(items: Sequence[SequenceRelevance], title: str = "Relevance of sequences", *, whole: bool = True) -> str:
    """Return a page of explained sequences; only its body, for a notebook, unless `whole`."""
    shown = [(item, drawing(item.logo())) for item in items]
    return templates(__package__).get_template("sequences.html.j2").render(shown=shown, title=title, whole=whole)
