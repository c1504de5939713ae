"""The tables of an explained corpus, as parquet files: one of words, one of texts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...domain import reason, whole_file
from ..errors import TextError
from ..results import tables as frames
from ..results.relevance import TextRelevance

NUMBERS = {"probability", "score", "words", "added", "rest", "relevance", "reference_score"}
COUNTS = {"text", "start", "end"}
COLUMNS = {"words": frames.COLUMNS["words"], "texts": [*frames.COLUMNS["texts"], "label", "rules"]}


def schema(of: str, regression: bool, reference: bool) -> pa.Schema:
    """Return the types of the columns, which must not depend on the values in a part of a corpus."""
    types = {}
    for name in COLUMNS[of] + (frames.REFERENCE_COLUMNS[of] if reference else []):
        number = (name in NUMBERS and not (of == "words" and name == "words")) or (regression and name == "prediction")
        types[name] = pa.float64() if number else pa.int64() if name in COUNTS else pa.string()
    return pa.schema(types)


def tables(items: Sequence[TextRelevance], labels: Sequence[str], first: int) -> dict[str, pa.Table]:
    """Return both tables of explained texts; `first` is the number of the first text."""
    texts = frames.frame(items, "texts", first)
    texts["label"] = list(labels) if labels else None
    texts["rules"] = [item.rules for item in items]
    kind = {"regression": not isinstance(items[0].prediction, str), "reference": items[0].reference is not None}
    return {
        of: pa.Table.from_pandas(table, schema=schema(of, **kind), preserve_index=False)
        for of, table in (("words", frames.frame(items, "words", first)), ("texts", texts))
    }


def write(table: pa.Table, path: str | Path) -> None:
    """Write a table; the file appears whole or not at all."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def gather(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write tables of one kind as one, with one group of rows in memory at a time; return its number of rows."""
    paths, rows = list(paths), 0
    if not paths:
        raise TextError("there are no tables to gather")
    columns = _open(paths[0]).schema_arrow
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, columns) as writer:
        for path in paths:
            table = _open(path)
            if not table.schema_arrow.equals(columns):
                raise TextError(f"'{path}' has other columns than '{paths[0]}': gather tables of one kind and model")
            for group in range(table.num_row_groups):
                writer.write_table(table.read_row_group(group))
            rows += table.metadata.num_rows
    return rows


def read_words(path: str | Path) -> pd.DataFrame:
    """Read the table of words of an explained corpus."""
    return _read(path, "words")


def read_texts(path: str | Path) -> pd.DataFrame:
    """Read the table of texts of an explained corpus."""
    return _read(path, "texts")


def _read(path: str | Path, of: str) -> pd.DataFrame:
    table = _open(path)
    if absent := [name for name in COLUMNS[of] if name not in table.schema_arrow.names]:
        raise TextError(
            f"'{path}' is not a table of {of}, it has no column '{absent[0]}'; 'lrp-domains text explain' writes them"
        )
    return table.read().to_pandas()


def _open(path: str | Path) -> pq.ParquetFile:
    if not Path(path).is_file():
        raise TextError(f"there is no table '{path}'; 'lrp-domains text explain' writes it")
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise TextError(f"'{path}' could not be read as parquet: {reason(error)}") from error
