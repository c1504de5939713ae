"""Tables as ``.tsv`` whose text no spreadsheet takes for formulas, one line per row, which are read back unchanged.

A cell that begins with ``=``, ``+``, ``-`` or ``@``, such as a gene named ``=HYPERLINK(...)``, gets an apostrophe, as
OWASP recommends; numbers such as ``-1.5`` remain. Tabs and line breaks are written as ``\\t``, ``\\n`` and ``\\r``,
so that ``cut`` and ``sort`` read such a table too.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from .whole import whole_file

_FORMULA = r"[=+\-@＝＋－＠]"  # some spreadsheets take full-width signs for the others
# What had apostrophes before a formula gets one more, so that reading can remove exactly one.
_HARMFUL = re.compile(rf"'*{_FORMULA}")
_HARMLESS = re.compile(rf"'('*{_FORMULA})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_TO_ESCAPE = re.compile(r"[\t\n\r]|\\[tnr\\]")
_ESCAPED = re.compile(r"\\[tnr\\]")


def write_tsv(table: pd.DataFrame, path: str | Path, **options: Any) -> None:
    """Write a table, without its index; the file appears whole or not at all.

    Parameters
    ----------
    table
        The table. No cell of text begins a formula in the file.
    path
        The file to write.
    options
        Of ``pandas.DataFrame.to_csv``, such as ``float_format``.
    """
    write_parts([table], list(table), path, **options)


def write_parts(parts: Iterable[pd.DataFrame], columns: list[str], path: str | Path, **options: Any) -> None:
    """Write tables of the same columns one after the other, as `write_tsv` does, with one of them in memory."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        pd.DataFrame(columns=columns).to_csv(file, sep="\t", index=False)
        for part in parts:
            harmless = _of_text(part[columns], _harmless)
            harmless.to_csv(file, sep="\t", index=False, header=False, **options)


def read_tsv(path: str | Path, *, text: tuple[str, ...] = (), **options: Any) -> pd.DataFrame:
    """Read a table that `write_tsv` wrote, with the original names. Only an empty cell is missing.

    Parameters
    ----------
    path
        The file to read.
    text
        The columns that hold text, even if all cells look like numbers, as the names of clusters do.
    options
        Of ``pandas.read_csv``.
    """
    types = dict.fromkeys(text, str)
    return original(pd.read_csv(path, sep="\t", dtype=types, keep_default_na=False, na_values="", **options))


def original(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table that was read from a file of `write_tsv` by other means, such as in parts, with its names."""
    return _of_text(table, _original)


def _harmless(text: str) -> str:
    """Return a cell on one line that begins no formula."""
    if _TO_ESCAPE.search(text):
        text = "".join(_ESCAPES.get(character, character) for character in text)
    return f"'{text}" if _HARMFUL.match(text) and not _NUMBER.fullmatch(text) else text


def _original(cell: str) -> str:
    """Return the text that a cell was written for."""
    if _HARMLESS.match(cell):
        cell = cell[1:]
    meanings = {escape: character for character, escape in _ESCAPES.items()}
    return _ESCAPED.sub(lambda match: meanings[match[0]], cell)


def _of_text(table: pd.DataFrame, change: Any) -> pd.DataFrame:
    """Return a table with a function applied to each cell of text."""
    changed = {}
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column) and not isinstance(column.dtype, pd.CategoricalDtype):
            continue
        values = {value: change(value) for value in column.unique() if isinstance(value, str)}
        values = {old: new for old, new in values.items() if new != old}
        if values:
            changed[name] = column.astype(object).map(lambda value, values=values: values.get(value, value))
    return table.assign(**changed)
