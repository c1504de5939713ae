"""Sets of samples that are files of their own: a folder, or a table of their paths and labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..messages import DomainError, choices, reason

SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class SampleFiles:
    """Samples in files: where they are, what they are called, and their labels if known.

    Names don't depend on where a set is: they are relative to its folder, or as its table or the caller wrote them.
    """

    paths: list[Path]
    names: list[str]
    labels: list[str] | None = None


def read_set(
    source: str | Path | Sequence[str | Path],
    suffixes: Collection[str],
    *,
    label_column: str | None = None,
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
    unit
        What samples are, in the plural, for messages.
    """
    if not isinstance(source, str | Path):
        return SampleFiles([Path(path) for path in source], [str(path) for path in source])
    source = Path(source)
    if source.suffix in SEPARATORS and source.is_file():
        return _of_table(source, label_column, unit)
    if label_column is not None:
        raise DomainError(f"'{source}' is not a table ({', '.join(SEPARATORS)}), so it has no column '{label_column}'")
    if not source.is_dir():
        return SampleFiles([source], [str(source)])
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not paths:
        raise DomainError(f"there are no {unit} in the folder '{source}': {', '.join(suffixes)}")
    return SampleFiles(paths, [path.relative_to(source).as_posix() for path in paths])


def _of_table(source: Path, label_column: str | None, unit: str) -> SampleFiles:
    try:
        table = pd.read_csv(source, sep=SEPARATORS[source.suffix], dtype=str, keep_default_na=False)
    except ValueError as error:  # those of pandas, and wrong encodings
        raise DomainError(f"'{source}' could not be read as a table: {reason(error)}") from error
    if table.empty:
        raise DomainError(f"there are no {unit} in the table '{source}': it has no rows")
    for column in ("path", *([label_column] if label_column else [])):
        if column not in table:
            raise DomainError(f"'{source}' has no column '{column}'; {choices(column, table.columns)}")
        if (empty := table[column] == "").any():
            raise DomainError(f"'{source}': column '{column}' is empty in row {empty.argmax()} (from 0)")
    labels, names = table.get(label_column or "label"), list(table["path"])
    return SampleFiles([source.parent / name for name in names], names, None if labels is None else list(labels))
