"""Sets of samples that are files of their own: a folder, or a table of their paths and labels."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..messages import DomainError, choices, reason

SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class SampleFiles:
    """Samples in files: where they are, what they are called, their labels and a file beside each, if known.

    Names don't depend on where a set is: they are relative to its folder, or as its table or the caller wrote them.
    """

    paths: list[Path]
    names: list[str]
    labels: list[str] | None = None
    beside: list[Path] | None = None


def read_set(
    source: str | Path | Sequence[str | Path],
    suffixes: Collection[str],
    *,
    label_column: str | None = None,
    file_column: str | None = None,
    unit: str = "samples",
) -> SampleFiles:
    """Return the paths of samples, their names, and their labels if known.

    Parameters
    ----------
    source
        A folder, of which the files of all subfolders are read; a table, ``.csv`` or ``.tsv``, with a column ``path``,
        relative to the table, and perhaps labels; a file, or several.
    suffixes
        How the names of samples end, in lower case; other files of a folder are ignored.
    label_column
        The column with the labels. None: ``label``, if there is one.
    file_column
        The column with a file beside each sample, such as a mask, relative to the table. None: no such files.
    unit
        What samples are, in the plural, for messages.
    """
    is_list = not isinstance(source, str | Path)
    if not is_list and Path(source).suffix in SEPARATORS and Path(source).is_file():
        return _of_table(Path(source), label_column, file_column, unit)
    if column := label_column or file_column:
        what = "a list of paths" if is_list else f"'{source}'"
        raise DomainError(f"{what} is not a table ({', '.join(SEPARATORS)}), so it has no column '{column}'")
    if is_list:
        paths = list(source)
        if not paths:
            raise DomainError(f"there are no {unit}: the list of paths is empty")
        if wrong := [path for path in paths if not isinstance(path, str | Path)]:
            raise DomainError(f"a set of {unit} is a folder, a table or paths, not a list of {type(wrong[0]).__name__}")
        return SampleFiles([Path(path) for path in paths], [_name(path) for path in paths])
    source = Path(source)
    if not source.is_dir():
        return SampleFiles([source], [_name(source)])
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not paths:
        raise DomainError(f"there are no {unit} in the folder '{source}': {', '.join(suffixes)}")
    return SampleFiles(paths, [_name(path.relative_to(source).as_posix()) for path in paths])


def _name(path: str | Path) -> str:
    """Return the name of a file as text; bytes of it that aren't UTF-8 as ``\\xff``."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _of_table(source: Path, label_column: str | None, file_column: str | None, unit: str) -> SampleFiles:
    options = {"sep": SEPARATORS[source.suffix], "dtype": str, "keep_default_na": False}
    try:
        table = pd.read_csv(source, **options).rename(columns=str.strip)
        header = pd.read_csv(source, header=None, nrows=1, **options).iloc[0].str.strip().tolist()
    except ValueError as error:  # those of pandas, and wrong encodings
        raise DomainError(f"'{source}' could not be read as a table: {reason(error)}") from error
    if table.empty:
        raise DomainError(f"there are no {unit} in the table '{source}': it has no rows")
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first cells for an index
        raise DomainError(f"'{source}' has rows of more cells than its header: name all columns, or quote separators")
    for column in filter(None, ("path", label_column or "label", file_column)):
        if header.count(column) > 1:  # pandas numbers them
            raise DomainError(f"'{source}' has {header.count(column)} columns '{column}': rename all but one")
    for column in filter(None, ("path", label_column, file_column)):
        if column not in table:
            raise DomainError(f"'{source}' has no column '{column}'; {choices(column, table.columns)}")
        if (empty := table[column] == "").any():
            raise DomainError(f"'{source}': column '{column}' is empty in row {empty.argmax()} (from 0)")
    labels, names = table.get(label_column or "label"), list(table["path"])
    beside = None if file_column is None else [source.parent / name for name in table[file_column]]
    return SampleFiles(
        [source.parent / name for name in names], names, None if labels is None else list(labels), beside
    )
