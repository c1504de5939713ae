"""Tables of the parts of a corpus joined to one, a group of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ...domain.files.tables import Origin, gather, groups, open_table, write_all
from .corpus import Corpus

__all__ = ["gather", "join", "origin_of"]


def origin_of(corpus: Corpus, request: str) -> Origin:
    """Return the origin of the tables of a corpus or of one of its shards."""
    return Origin(request, corpus.first, corpus.first + len(corpus), corpus.total)


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

    write_all(numbered(), origin.on(columns), out)


def _is_regression(columns: pa.Schema) -> bool:
    return pa.types.is_floating(columns.field("prediction").type)
