"""A corpus: texts, or pairs of texts, and their labels if known, from one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...domain import reason
from ..arguments import Item
from ..demo import read_demo
from ..errors import TextError, about, choices
from ..heads.labels import Labels

DEMO = "demo"
READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".tsv": lambda path: pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False),
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False, convert_dates=False),
    ".parquet": pd.read_parquet,
}


@dataclass(frozen=True)
class Corpus:
    """Texts of one file, in its order.

    Attributes
    ----------
    texts
        Strings, or tuples of two for pairs.
    labels
        The label of each text as the file has it; empty if it has none.
    first
        The number of the first text in its file: 0, unless this is a shard.
    """

    texts: tuple[Item, ...]
    labels: tuple[str, ...] = ()
    first: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    def shard(self, number: int, of: int) -> Corpus:
        """Return one of several parts of about the same size; the first has number 1."""
        if not 1 <= number <= of:
            raise TextError(f"there is no shard {number} of {of}; they are numbered from 1 to {of}")
        return self.part(len(self) * (number - 1) // of, len(self) * number // of)

    def part(self, start: int, stop: int) -> Corpus:
        """Return the texts from `start` up to `stop`, without it."""
        return Corpus(self.texts[start:stop], self.labels[start:stop], self.first + start)

    def named(self, labels: Labels | None) -> Corpus:
        """Return the corpus with the model's name for each label; a file may have numbers, or names in another case."""
        if not self.labels:
            return self
        if labels is None or labels.kind != "one":
            raise TextError("labels can be compared with a classifier that chooses one label; leave the column out")
        names = {label: _name(label, labels) for label in dict.fromkeys(self.labels)}
        return Corpus(self.texts, tuple(names[label] for label in self.labels), self.first)


def read_corpus(path: str | Path, text: str = "text", second: str | None = None, label: str | None = None) -> Corpus:
    """Read a corpus.

    Parameters
    ----------
    path
        A table, ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``; or ``"demo"`` for the corpus that comes with the
        package.
    text, second, label
        The columns with the texts, with the second text of each pair, and with the labels.
    """
    table = read_demo() if str(path) == DEMO else _table(Path(path))
    if table.empty:
        raise TextError(f"'{path}' has no rows")
    with about(f"'{path}'"):
        texts = _strings(table, text)
        if second:
            texts = list(zip(texts, _strings(table, second), strict=True))
        labels = _strings(table, label, numbers=True) if label else []
    return Corpus(tuple(texts), tuple(labels))


def _table(path: Path) -> pd.DataFrame:
    if path.suffix not in READERS:
        raise TextError(f"'{path}' is not a table of texts: it should end in {', '.join(READERS)}")
    if not path.is_file():
        raise TextError(f"there is no file '{path}'")
    try:
        return READERS[path.suffix](path)
    except Exception as error:  # pandas and pyarrow raise many kinds for a foreign file
        raise TextError(f"'{path}' could not be read as a table: {reason(error)}") from error


def _strings(table: pd.DataFrame, column: str, *, numbers: bool = False) -> list[str]:
    """Return a column of strings; one with numbers is converted if that is allowed."""
    if column not in table:
        raise TextError(f"there is no column '{column}'; {choices(column, table.columns)}")
    values = table[column]
    if (absent := values.isna()).any():
        raise TextError(
            f"column '{column}': {int(absent.sum())} of {len(values)} rows are empty, the first is row "
            f"{int(absent.argmax())} (from 0); leave them out"
        )
    invalid = [] if numbers else [row for row, value in enumerate(values) if not isinstance(value, str)]
    if invalid:
        kind = type(values.iloc[invalid[0]]).__name__
        raise TextError(f"column '{column}': row {invalid[0]} (from 0) is of type {kind}, not a text")
    return [str(value) for value in values]


def _name(label: str, labels: Labels) -> str:
    is_number = label.isdecimal() and label not in labels.names
    with about(f"the corpus has texts labelled '{label}'"):
        return labels.names[labels.number(int(label) if is_number else label)]
