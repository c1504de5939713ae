"""Tables of parts and of shards joined to one, a group of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...domain import whole_file
from ..errors import TextError
from .corpus import Corpus
from .tables import groups, merged, open_table

_REQUEST, _TEXTS = b"lrp_request", b"lrp_texts"


@dataclass(frozen=True)
class Origin:
    """Which texts a table has, and what was asked of them.

    Attributes
    ----------
    request
        Identifies what was explained and how; equal for all shards of one corpus.
    start, stop
        Its texts are numbered from `start` up to `stop`, without it.
    total
        The number of texts of the corpus.
    """

    request: str
    start: int
    stop: int
    total: int

    @classmethod
    def of(cls, corpus: Corpus, request: str) -> Origin:
        """Return the origin of the tables of a corpus or of one of its shards."""
        return cls(request, corpus.first, corpus.first + len(corpus), corpus.total)

    def on(self, columns: pa.Schema) -> pa.Schema:
        """Return a schema that tells the origin."""
        texts = f"{self.start} {self.stop} {self.total}"
        return columns.with_metadata({_REQUEST: self.request.encode(), _TEXTS: texts.encode()})

    @classmethod
    def read(cls, path: Path, table: pq.ParquetFile) -> Origin:
        """Return the origin of a table; raise if it has none."""
        metadata = table.schema_arrow.metadata or {}
        if not {_REQUEST, _TEXTS} <= set(metadata):
            raise TextError(f"'{path}' is not a table of words or texts that 'lrp-domains text explain' wrote")
        return cls(metadata[_REQUEST].decode(), *map(int, metadata[_TEXTS].decode().split()))


def join(parts: Sequence[tuple[Path, int]], out: Path, origin: Origin) -> None:
    """Write the tables of the parts of a corpus as one; each part has the number of its first text."""
    schemas = {path: open_table(path).schema_arrow.remove_metadata() for path, _ in parts}
    # Where every text was skipped, the type of the predictions is unknown: that of the other parts is used.
    columns = next((s for s in schemas.values() if "prediction" in s.names and _is_regression(s)), schemas[parts[0][0]])

    def numbered() -> Iterator[pa.Table]:
        for path, first in parts:
            for table in groups(path):
                place = table.schema.get_field_index("text")
                yield table.set_column(place, "text", pc.add(table["text"], first)).cast(columns)

    _write_all(numbered(), origin.on(columns), out)


def gather(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write the tables of all shards of a corpus, of words or of texts, as one; return its number of rows.

    One group of rows at a time is in memory.

    Raises
    ------
    TextError
        A shard is missing, twice, or not in order, or the shards are not those of one request.
    """
    paths, out = [Path(path) for path in paths], Path(out)
    if not paths:
        raise TextError("there are no tables to gather")
    for path in (*paths, out):
        if path.suffix != ".parquet":
            raise TextError(f"'{path}': the tables of an explained corpus are read and written as .parquet")

    columns, origin, rows = open_table(paths[0]).schema_arrow.remove_metadata(), None, 0
    for path in paths:
        table = open_table(path)
        origin = _after(origin, Origin.read(path, table), path)
        if not table.schema_arrow.remove_metadata().equals(columns):
            raise TextError(f"'{path}' has other columns than '{paths[0]}': gather tables of one kind and model")
        rows += table.metadata.num_rows
    if origin.stop != origin.total:
        raise TextError(f"the tables have the texts before {origin.stop} of {origin.total}: {_EACH}")
    _write_all((table for path in paths for table in groups(path)), origin.on(columns), out)
    return rows


_EACH = "pass each shard of one corpus once, in order"


def _after(before: Origin | None, origin: Origin, path: Path) -> Origin:
    """Return the origin of a shard and of those before it; raise unless it follows them."""
    before = before or Origin(origin.request, 0, 0, origin.total)
    if (origin.request, origin.total) != (before.request, before.total):
        raise TextError(f"'{path}' is of another corpus, or was explained in another way, than the table before it")
    if origin.start != before.stop:
        raise TextError(f"'{path}' begins with text {origin.start}, but text {before.stop} is due: {_EACH}")
    return replace(before, stop=origin.stop)


def _write_all(tables: Iterable[pa.Table], columns: pa.Schema, out: Path) -> None:
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, columns) as writer:
        for table in merged(table.replace_schema_metadata(columns.metadata) for table in tables):
            writer.write_table(table)


def _is_regression(columns: pa.Schema) -> bool:
    return pa.types.is_floating(columns.field("prediction").type)
