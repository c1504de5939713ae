"""Finished parts of a corpus on disk, which are recognized by the content of their rows."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .corpus import Corpus

_ROWS, _SKIPPED = b"lrp_rows", b"lrp_skipped"
Rows = tuple[str, ...]


def digests(corpus: Corpus) -> Rows:
    """Return one digest per row, of all that the tables of an explained corpus depend on but its number."""
    return tuple(_digest(_row(corpus, index)) for index in range(len(corpus)))


def path_of(folder: Path, rows: Rows, of: str) -> Path:
    """Return the file of a part's table."""
    return folder / f"{_digest(rows)}.{of}.parquet"


def described(table: pa.Table, rows: Rows, skipped: int) -> pa.Table:
    """Return a part's table of texts with the digests of its rows and the number of those that were skipped."""
    return table.replace_schema_metadata({_ROWS: " ".join(rows).encode(), _SKIPPED: str(skipped).encode()})


def finished(folder: Path, on_error: str) -> list[Rows]:
    """Return the rows of each finished part; those with skipped rows only if rows are to be skipped."""
    parts = []
    for path in sorted(folder.glob("*.texts.parquet")):
        metadata = pq.read_schema(path).metadata
        if on_error == "skip" or metadata[_SKIPPED] == b"0":
            parts.append(tuple(metadata[_ROWS].decode().split(" ")))
    return parts


def plan(rows: Rows, done: Iterable[Rows], most: int) -> list[tuple[int, int]]:
    """Split rows into parts (start, stop): finished ones wherever their rows occur, others of at most `most` rows."""
    beginning = defaultdict(list)
    for part in sorted(done, key=len, reverse=True):
        beginning[part[0]].append(part)

    parts: list[tuple[int, int]] = []
    start = at = 0
    while at < len(rows):
        match = next((part for part in beginning[rows[at]] if rows[at : at + len(part)] == part), ())
        if match and start < at:
            parts.append((start, at))
        if match:
            parts.append((at, at + len(match)))
            start = at = at + len(match)
            continue
        at += 1
        if at - start == most:
            parts.append((start, at))
            start = at
    return [*parts, (start, at)] if start < at else parts


def _row(corpus: Corpus, index: int) -> Sequence:
    columns = [column[index] for column in (corpus.labels, corpus.references) if column]
    return corpus.texts[index], *columns, corpus.invalid.get(corpus.first + index)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode(errors="surrogatepass")).hexdigest()[:32]
