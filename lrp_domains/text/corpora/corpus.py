"""A corpus: texts, or pairs of texts, and their labels if known, from one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..arguments import Item
from ..errors import TextError, about, choices
from ..heads.labels import NONE, Labels
from .readers import read_table

PART = 128  # texts that are explained and kept together; an interruption may cost them
ON_ERROR = ("raise", "skip")


@dataclass(frozen=True)
class Corpus:
    """Texts of one file, in its order.

    Attributes
    ----------
    texts
        Strings, or tuples of two for pairs.
    labels
        The label of each text as the file has it, several separated by commas; empty if it has none.
    first
        The number of the first text in its file: 0, unless this is a shard.
    references
        What each text is explained against; empty if the file has no such column.
    source
        The name of the file, for messages.
    invalid
        By number in the file, why a row could not be read; such rows have an empty text.
    whole
        The number of texts in the file, if this is a shard.
    """

    texts: tuple[Item, ...]
    labels: tuple[str, ...] = ()
    first: int = 0
    references: tuple[str, ...] = ()
    source: str = ""
    invalid: Mapping[int, str] = field(default_factory=dict)
    whole: int | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def row(self, index: int) -> str:
        """Return the name of a text for messages: its file and row, by its number in this corpus."""
        number = self.first + index
        return f"'{self.source}', row {number} (from 0)" if self.source else f"text {number}"

    def shard(self, number: int, of: int) -> Corpus:
        """Return one of several parts of about the same size; the first has number 1.

        Shards end where `explain_corpus` ends its parts, as far as there are enough of these. The texts of a part are
        sorted into batches, so that the batches of a corpus are the same for any number of shards.
        """
        if not 1 <= number <= of:
            raise TextError(f"there is no shard {number} of {of}; they are numbered from 1 to {of}")
        step = PART if of <= -(-len(self) // PART) else 1
        steps = -(-len(self) // step)
        return self.part(steps * (number - 1) // of * step, steps * number // of * step)

    @property
    def total(self) -> int:
        """The number of texts in the file."""
        return len(self) if self.whole is None else self.whole

    def part(self, start: int, stop: int) -> Corpus:
        """Return the texts from `start` up to `stop`, without it."""
        columns = {name: getattr(self, name)[start:stop] for name in ("texts", "labels", "references")}
        return replace(self, **columns, first=self.first + start, whole=self.total)

    def named(self, labels: Labels | None) -> Corpus:
        """Return the corpus with the model's name for each label; a file may have numbers, or names in another case."""
        if not self.labels:
            return self
        if labels is None or labels.kind == "number":
            raise TextError("the labels of a corpus are compared with those of a classifier; leave the column out")
        names: dict[str, str] = {}
        for index, label in enumerate(self.labels):
            if label not in names and self.first + index not in self.invalid:
                with about(f"the corpus has texts labelled '{label}' (the first is {self.row(index)})"):
                    names[label] = labels.as_predicted(label)
        return replace(self, labels=tuple(names.get(label, label) for label in self.labels))


def read_corpus(
    path: str | Path,
    text: str = "text",
    second: str | None = None,
    label: str | None = None,
    *,
    reference: str | None = None,
    on_error: str = "raise",
) -> Corpus:
    """Read a corpus.

    Parameters
    ----------
    path
        A table, ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``; or ``.txt``, one text per line. All but ``.parquet``
        may be compressed (``.csv.gz``).
    text, second, label, reference
        The columns with the texts, with the second text of each pair, with the labels, and with what each text is
        explained against.
    on_error
        What happens to rows that lack a value: ``"raise"`` an error, or ``"skip"`` them when the corpus is explained.
    """
    check_on_error(on_error)
    table = read_table(Path(path))
    if table.empty:
        raise TextError(f"'{path}' has no rows")

    invalid: dict[int, str] | None = {} if on_error == "skip" else None
    with about(f"'{path}'"):
        texts = _strings(table, text, invalid)
        if second:
            texts = list(zip(texts, _strings(table, second, invalid), strict=True))
        labels = _strings(table, label, invalid, labels=True) if label else []
        references = _strings(table, reference, invalid) if reference else []
        if invalid and len(invalid) == len(table):
            raise TextError(f"none of the {len(table)} rows can be read: row 0 (from 0): {invalid[0]}")
    return Corpus(
        tuple(texts),
        tuple(labels),
        references=tuple(references),
        source=str(path),
        invalid=invalid or {},
    )


def check_on_error(on_error: str) -> None:
    """Raise if the name of what happens to invalid rows is unknown."""
    if on_error not in ON_ERROR:
        raise TextError(f"on_error={on_error!r}: expected one of {', '.join(ON_ERROR)}")


def _label(value: Any) -> str:
    """Return a label as a string, several of a list separated by commas."""
    return ", ".join(map(str, value)) or NONE if isinstance(value, list | np.ndarray) else str(value)


def _strings(table: pd.DataFrame, column: str, invalid: dict[int, str] | None, *, labels: bool = False) -> list[str]:
    """Return a column of strings; labels may be numbers, or lists of these or of names, which are converted.

    Rows without a string are added to `invalid`, with the reason; they raise if it is None.
    """
    if column not in table:
        raise TextError(f"there is no column '{column}'; {choices(column, table.columns)}")
    if (count := list(table.columns).count(column)) > 1:
        raise TextError(f"{count} columns are named '{column}': rename all but one")
    values = table[column].tolist()
    missing = table[column].isna().tolist()
    if invalid is None and any(missing):
        raise TextError(
            f"column '{column}': {sum(missing)} of {len(values)} rows are empty, the first is row "
            f"{missing.index(True)} (from 0); leave them out, or skip them with on_error='skip'"
        )

    strings = []
    for row, (value, is_missing) in enumerate(zip(values, missing, strict=True)):
        # A blank label is missing: labels are names, but a text may be empty.
        if is_missing or (labels and isinstance(value, str) and not value and invalid is not None):
            problem = f"column '{column}' is empty"
        elif not labels and not isinstance(value, str):
            problem = f"column '{column}' is of type {type(value).__name__}, not a text"
        else:
            problem = ""
        if problem and invalid is None:
            raise TextError(f"row {row} (from 0): {problem}; correct it, or skip such rows with on_error='skip'")
        if problem:
            invalid.setdefault(row, problem)
        strings.append("" if problem else _label(value) if labels else value)
    return strings
