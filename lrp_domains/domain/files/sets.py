"""Sets of samples that are files of their own: a folder, or a table of their paths and labels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from ..messages import DomainError, choices, reason

SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_set(
    source: str | Path | Sequence[str | Path],
    suffixes: Collection[str],
    *,
    label_column: str | None = None,
    unit: str = "samples",
) -> tuple[list[Path], list[str] | None]:
    """Return the paths of samples, and their labels if known.

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
        return [Path(path) for path in source], None
    source = Path(source)
    if source.suffix in SEPARATORS and source.is_file():
        return _of_table(source, label_column, unit)
    if label_column is not None:
        raise DomainError(f"'{source}' is not a table ({', '.join(SEPARATORS)}), so it has no column '{label_column}'")
    if not source.is_dir():
        return [source], None
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not paths:
        raise DomainError(f"there are no {unit} in the folder '{source}': {', '.join(suffixes)}")
    return paths, None


def _of_table(source: Path, label_column: str | None, unit: str) -> tuple[list[Path], list[str] | None]:
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
    labels = table.get(label_column or "label")
    return [source.parent / path for path in table["path"]], None if labels is None else list(labels)
