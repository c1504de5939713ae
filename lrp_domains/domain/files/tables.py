"""Tables of explained samples, as parquet: written whole, read a group of rows at a time, gathered from shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..messages import DomainError, reason
from .whole import whole_file

AT_ONCE = 2**17  # rows in memory: small groups are slow, large ones take memory
_REQUEST, _SAMPLES = b"lrp_request", b"lrp_samples"
_EACH = "pass each shard once, in order"


@dataclass(frozen=True)
class Origin:
    """Which samples a table has, and what was asked of them.

    Attributes
    ----------
    request
        Identifies what was explained and how; equal for all shards.
    start, stop
        Its samples are numbered from `start` up to `stop`, without it.
    total
        The number of samples in all shards.
    """

    request: str
    start: int
    stop: int
    total: int

    def on(self, columns: pa.Schema) -> pa.Schema:
        """Return a schema that tells the origin."""
        samples = f"{self.start} {self.stop} {self.total}"
        return columns.with_metadata({_REQUEST: self.request.encode(), _SAMPLES: samples.encode()})

    @classmethod
    def read(cls, path: Path, table: pq.ParquetFile) -> Origin:
        """Return the origin of a table; raise if it has none."""
        metadata = table.schema_arrow.metadata or {}
        if not {_REQUEST, _SAMPLES} <= set(metadata):
            raise DomainError(f"'{path}' is not a table that the command 'explain' wrote")
        return cls(metadata[_REQUEST].decode(), *map(int, metadata[_SAMPLES].decode().split()))


def write(table: pa.Table, path: str | Path) -> None:
    """Write a table; the file appears whole or not at all."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def open_table(path: str | Path) -> pq.ParquetFile:
    """Open a table; raise if there is none."""
    if not Path(path).is_file():
        raise DomainError(f"there is no table '{path}'; the command 'explain' writes it")
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DomainError(f"'{path}' could not be read as parquet: {reason(error)}") from error


def groups(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield a table, or some of its columns, by groups of about `AT_ONCE` rows."""
    table = open_table(path)
    return merged(table.read_row_group(group, columns=columns) for group in range(table.num_row_groups))


def merged(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield tables of at least `AT_ONCE` rows, except for the last one."""
    waiting, rows = [], 0
    for table in tables:
        waiting.append(table)
        rows += len(table)
        if rows >= AT_ONCE:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def write_all(tables: Iterable[pa.Table], columns: pa.Schema, out: Path) -> None:
    """Write tables one after the other, with the columns and the origin of a schema."""
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, columns) as writer:
        for table in merged(table.replace_schema_metadata(columns.metadata) for table in tables):
            writer.write_table(table)


def gather(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write the tables of all shards as one; return its number of rows.

    One group of rows at a time is in memory.

    Raises
    ------
    DomainError
        A shard is missing, twice, or not in order, or the shards are not those of one request.
    """
    paths, out = [Path(path) for path in paths], Path(out)
    if not paths:
        raise DomainError("there are no tables to gather")
    for path in (*paths, out):
        if path.suffix != ".parquet":
            raise DomainError(f"'{path}': tables of explained samples are read and written as .parquet")

    columns, origin, rows = open_table(paths[0]).schema_arrow.remove_metadata(), None, 0
    for path in paths:
        table = open_table(path)
        origin = _after(origin, Origin.read(path, table), path)
        if not table.schema_arrow.remove_metadata().equals(columns):
            raise DomainError(f"'{path}' has other columns than '{paths[0]}': gather tables of one kind and model")
        rows += table.metadata.num_rows
    if origin.stop != origin.total:
        raise DomainError(f"the tables have the samples before {origin.stop} of {origin.total}: {_EACH}")
    write_all((table for path in paths for table in groups(path)), origin.on(columns), out)
    return rows


def _after(before: Origin | None, origin: Origin, path: Path) -> Origin:
    """Return the origin of a shard and of those before it; raise unless it follows them."""
    before = before or Origin(origin.request, 0, 0, origin.total)
    if (origin.request, origin.total) != (before.request, before.total):
        raise DomainError(f"'{path}' is of other data, or was explained in another way, than the table before it")
    if origin.start != before.stop:
        raise DomainError(f"'{path}' begins with sample {origin.start}, but sample {before.stop} is due: {_EACH}")
    return replace(before, stop=origin.stop)
