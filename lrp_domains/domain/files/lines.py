"""Tables without a header, whose columns are known by their order: read line by line."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..messages import DomainError, reason

NO_ROWS = {"track", "browser"}  # what genome browsers are told


def read_lines(path: str | Path, columns: Sequence[str], required: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield where each row is, for messages, and its values by column, empty where they are missing.

    Parameters
    ----------
    path
        A file, plain or .gz, with columns separated by tabs, such as BED and VCF.
    columns
        The names of the first columns; others are ignored.
    required
        How many of these no row may lack.
    """
    try:
        with (gzip.open if Path(path).suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig") as file:
            texts = file.read().split("\n")  # other separators of lines may be within a value
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DomainError(f"'{path}' could not be read: {reason(error)}") from error
    for number, text in enumerate(texts, 1):
        if not text.strip() or text.startswith("#") or text.split()[0] in NO_ROWS:
            continue
        row = dict.fromkeys(columns, "") | dict(zip(columns, text.split("\t"), strict=False))
        line = f"'{path}', line {number}"
        if missing := [name for name in columns[:required] if not row[name]]:
            raise DomainError(
                f"{line} has no {missing[0]}: expected {', '.join(columns[:required])}, separated by tabs"
            )
        yield line, row


def whole_number(text: str, name: str, line: str) -> int:
    """Return a number from 0; raise, with the place of its row, for anything else."""
    if not text.strip().isdecimal():
        raise DomainError(f"{line}: the {name} is '{text}', not a whole number without sign")
    return int(text)
