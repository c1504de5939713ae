"""The tables of an explained corpus, as parquet files: one of words, one of texts."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...domain import reason, whole_file
from ..errors import TextError
from ..results import tables as frames
from .corpus import Corpus
from .outcomes import Outcome

NUMBERS = {"probability", "score", "words", "added", "rest", "relevance", "reference_score"}
COUNTS = {"text", "start", "end"}
COLUMNS = {"words": frames.COLUMNS["words"], "texts": [*frames.COLUMNS["texts"], "label", "rules"]}
ERROR = "error"  # in the table of texts: why a text was skipped


def schema(of: str, regression: bool, reference: bool) -> pa.Schema:
    """Return the types of the columns, which must not depend on the values in a part of a corpus."""
    types = {}
    columns = COLUMNS[of] + (frames.REFERENCE_COLUMNS[of] if reference else []) + ([ERROR] if of == "texts" else [])
    for name in columns:
        number = (name in NUMBERS and not (of == "words" and name == "words")) or (regression and name == "prediction")
        types[name] = pa.float64() if number else pa.int64() if name in COUNTS else pa.string()
    return pa.schema(types)


def tables(outcomes: Sequence[Outcome], corpus: Corpus, reference: bool) -> dict[str, pa.Table]:
    """Return both tables of a part of a corpus, whose texts are numbered from 0.

    A text that was skipped has no words, and in the table of texts an error in place of its results.
    """
    explained = {index: outcome for index, outcome in enumerate(outcomes) if not isinstance(outcome, str)}
    items, numbers = list(explained.values()), list(explained)
    words, texts = frames.frame(items, "words"), frames.frame(items, "texts")
    texts["rules"] = [item.rules for item in items]
    for table in (words, texts):
        table["text"] = [numbers[number] for number in table["text"]]

    texts = pd.DataFrame(texts.set_index("text"), index=range(len(outcomes)), dtype=object).rename_axis("text")
    pairs = [text if isinstance(text, tuple) else (text, "") for text in corpus.texts]
    texts["first"], texts["second"] = zip(*pairs, strict=True)
    texts["label"] = [label or None for label in corpus.labels] if corpus.labels else None
    texts[ERROR] = [outcome if isinstance(outcome, str) else None for outcome in outcomes]

    kind = {"regression": any(not isinstance(item.prediction, str) for item in items), "reference": reference}
    return {
        of: pa.Table.from_pandas(table, schema=schema(of, **kind), preserve_index=False)
        for of, table in (("words", _complete(words)), ("texts", _complete(texts.reset_index())))
    }


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns of a reference, which are missing if nothing was explained."""
    return table.assign(**{name: None for name in ("reference", "reference_score") if name not in table})


def write(table: pa.Table, path: str | Path) -> None:
    """Write a table; the file appears whole or not at all."""
    with whole_file(path) as temporary:
        pq.write_table(table, temporary)


def join(parts: Sequence[tuple[Path, int]], out: Path) -> None:
    """Write the tables of the parts of a corpus as one; each part has the number of its first text."""
    schemas = {path: _open(path).schema_arrow.remove_metadata() for path, _ in parts}
    # Where every text was skipped, the type of the predictions is unknown: that of the other parts is used.
    columns = next((s for s in schemas.values() if "prediction" in s.names and _is_regression(s)), schemas[parts[0][0]])

    def numbered() -> Iterator[pa.Table]:
        for path, first in parts:
            for table in _groups(path):
                place = table.schema.get_field_index("text")
                yield table.set_column(place, "text", pc.add(table["text"], first)).cast(columns)

    _write_all(numbered(), columns, out)


def gather(paths: Iterable[str | Path], out: str | Path) -> int:
    """Write the tables of shards, of words or of texts, as one; return its number of rows.

    One group of rows at a time is in memory. The shards are those of one corpus, each once and in order.
    """
    paths, out = [Path(path) for path in paths], Path(out)
    if not paths:
        raise TextError("there are no tables to gather")
    for path in (*paths, out):
        if path.suffix != ".parquet":
            raise TextError(f"'{path}': the tables of an explained corpus are read and written as .parquet")

    columns, rows, last = _open(paths[0]).schema_arrow, 0, None
    for path in paths:
        table = _open(path)
        if not table.schema_arrow.equals(columns):
            raise TextError(f"'{path}' has other columns than '{paths[0]}': gather tables of one kind and model")
        rows += table.metadata.num_rows
        last = _check_numbers(path, table, last) or last
    _write_all((table for path in paths for table in _groups(path)), columns, out)
    return rows


def _check_numbers(path: Path, table: pq.ParquetFile, last: tuple[Path, int] | None) -> tuple[Path, int] | None:
    """Return a table with the number of its last text; raise unless its texts follow those of the table before."""
    if "text" not in table.schema_arrow.names:
        raise TextError(f"'{path}' is not a table of words or texts: it has no column 'text'")
    numbers = table.read(columns=["text"])["text"]
    if not len(numbers):
        return None
    least, most = pc.min_max(numbers).as_py().values()
    if last is not None and least <= last[1]:
        raise TextError(
            f"'{path}' begins with text {least}, but '{last[0]}' before it ends with text {last[1]}: pass each shard "
            "of one corpus once, in order"
        )
    return path, most


def _groups(path: Path) -> Iterator[pa.Table]:
    table = _open(path)
    for group in range(table.num_row_groups):
        yield table.read_row_group(group)


def _write_all(groups: Iterable[pa.Table], columns: pa.Schema, out: Path) -> None:
    with whole_file(out) as temporary, pq.ParquetWriter(temporary, columns) as writer:
        for table in groups:
            writer.write_table(table)


def _is_regression(columns: pa.Schema) -> bool:
    return pa.types.is_floating(columns.field("prediction").type)


def read_words(path: str | Path) -> pd.DataFrame:
    """Read the table of words of an explained corpus."""
    return _read(path, "words")


def read_texts(path: str | Path) -> pd.DataFrame:
    """Read the table of texts of an explained corpus; those that were skipped have an ``error``."""
    texts = _read(path, "texts")
    return texts if ERROR in texts else texts.assign(**{ERROR: None})


def count_skipped(path: str | Path) -> int:
    """Return how many texts of the table of texts of an explained corpus were skipped."""
    table = _open(path)
    if ERROR not in table.schema_arrow.names:
        return 0
    errors = table.read(columns=[ERROR])[ERROR]
    return len(errors) - errors.null_count


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
