"""The tables of an explained corpus, as parquet files: one of words, one of texts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...domain.files import whole_file
from ..errors import TextError
from ..results.relevance import TextRelevance
from ..results.tables import COLUMNS, frame

NUMBERS = {"probability", "score", "words", "added", "spread", "rest", "relevance"}
COUNTS = {"text", "start", "end"}
OWN = {"words": COLUMNS["words"], "texts": [*COLUMNS["texts"], "label", "rules"]}


def schema(of: str, regression: bool) -> pa.Schema:
    """Give the types of the columns, which must not depend on what a part of a corpus happens to hold."""
    types = {}
    for name in OWN[of]:
        number = (name in NUMBERS and not (of == "words" and name == "words")) or (regression and name == "prediction")
        types[name] = pa.float64() if number else pa.int64() if name in COUNTS else pa.string()
    return pa.schema(types)


def tables(items: Sequence[TextRelevance], labels: Sequence[str], first: int) -> dict[str, pa.Table]:
    """Give explained texts as both tables; ``first`` is the number of the first text."""
    texts = frame(items, "texts", first)
    texts["label"] = list(labels) if labels else None
    texts["rules"] = [item.rules for item in items]
    regression = not isinstance(items[0].prediction, str)
    found = {"words": frame(items, "words", first), "texts": texts}
    return {
        of: pa.Table.from_pandas(one, schema=schema(of, regression), preserve_index=False) for of, one in found.items()
    }


def write(table: pa.Table, path: str | Path) -> None:
    """Write a table; the file appears whole or not at all."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def gather(paths: Iterable[str | Path], out: str | Path) -> int:
    """Put tables of the same kind one below the other, one in memory at a time; say how many rows that are."""
    paths, rows = list(paths), 0
    if not paths:
        raise TextError("there are no tables to put together")
    kind = _open(paths[0]).schema_arrow
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, kind) as writer:
        for path in paths:
            opened = _open(path)
            if not opened.schema_arrow.equals(kind):
                raise TextError(f"'{path}' has other columns than '{paths[0]}': gather tables of one kind and model")
            for group in range(opened.num_row_groups):
                writer.write_table(opened.read_row_group(group))
            rows += opened.metadata.num_rows
    return rows


def read_words(path: str | Path) -> pd.DataFrame:
    """Read the table of words of an explained corpus."""
    return _read(path, "words")


def read_texts(path: str | Path) -> pd.DataFrame:
    """Read the table of texts of an explained corpus."""
    return _read(path, "texts")


def _read(path: str | Path, of: str) -> pd.DataFrame:
    opened = _open(path)
    if absent := [name for name in OWN[of] if name not in opened.schema_arrow.names]:
        raise TextError(
            f"'{path}' is no table of {of}, it has no column '{absent[0]}'; 'lrp-domains text explain' writes them"
        )
    return opened.read().to_pandas()


def _open(path: str | Path) -> pq.ParquetFile:
    if not Path(path).is_file():
        raise TextError(f"there is no table '{path}'; 'lrp-domains text explain' writes it")
    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise TextError(f"'{path}' could not be read as parquet: {str(error).splitlines()[0]}") from error
