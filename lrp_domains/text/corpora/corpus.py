"""A corpus: texts, or pairs of texts, and their labels if known, from one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..arguments import Item
from ..demo import read_demo
from ..errors import TextError, choices
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
        What each is labelled with, as the file has it; empty if it doesn't tell.
    first
        The number of the first text in its file: 0, unless this is a shard.
    """

    texts: tuple[Item, ...]
    labels: tuple[str, ...] = ()
    first: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    def shard(self, number: int, of: int) -> Corpus:
        """Give one of several parts of about the same size; the first has number 1."""
        if not 1 <= number <= of:
            raise TextError(f"there is no shard {number} of {of}; they are numbered from 1 to {of}")
        return self.part(len(self) * (number - 1) // of, len(self) * number // of)

    def part(self, start: int, stop: int) -> Corpus:
        """Give the texts from one place to another."""
        return Corpus(self.texts[start:stop], self.labels[start:stop], self.first + start)

    def named(self, labels: Labels | None) -> Corpus:
        """Give the same corpus with each label as the model calls it; a file may have its number, or other case."""
        if not self.labels:
            return self
        if labels is None or labels.kind != "one":
            raise TextError("labels can be compared with a classifier that chooses one label; leave the column out")
        names = {one: _name(one, labels) for one in dict.fromkeys(self.labels)}
        return Corpus(self.texts, tuple(names[one] for one in self.labels), self.first)


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
    texts = _strings(table, text, path)
    if second:
        texts = list(zip(texts, _strings(table, second, path), strict=True))
    return Corpus(tuple(texts), tuple(_strings(table, label, path, number=True)) if label else ())


def _table(path: Path) -> pd.DataFrame:
    if path.suffix not in READERS:
        raise TextError(f"'{path}' is no table of texts: it should end in {', '.join(READERS)}")
    if not path.is_file():
        raise TextError(f"there is no file '{path}'")
    try:
        return READERS[path.suffix](path)
    except Exception as error:  # pandas and pyarrow raise many kinds for a foreign file
        reason = (str(error) or repr(error)).splitlines()[0]
        raise TextError(f"'{path}' could not be read as a table: {reason}") from error


def _strings(table: pd.DataFrame, column: str, path: str | Path, number: bool = False) -> list[str]:
    if column not in table:
        raise TextError(f"'{path}' has no column '{column}'; {choices(column, table.columns)}")
    given = table[column]
    absent = given.isna()
    if absent.any():
        raise TextError(
            f"'{path}', column '{column}': {int(absent.sum())} of {len(given)} rows are empty, the first is row "
            f"{int(absent.argmax())} (from 0); leave them out"
        )
    strange = [] if number else [row for row, one in enumerate(given) if not isinstance(one, str)]
    if strange:
        kind = type(given.iloc[strange[0]]).__name__
        raise TextError(f"'{path}', column '{column}': row {strange[0]} (from 0) is of type {kind}, not a text")
    return [str(one) for one in given]


def _name(given: str, labels: Labels) -> str:
    try:
        return labels.names[labels.number(int(given) if given.isdecimal() and given not in labels.names else given)]
    except TextError as error:
        raise TextError(f"the corpus has texts labelled '{given}', but {error}") from error
