"""The tables of an explained corpus, as parquet files: one of words, one of texts."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ...domain.files.tables import groups, open_table
from ..errors import TextError
from ..results import tables as frames
from .corpus import Corpus
from .outcomes import Outcome

NUMBERS = {"probability", "score", "words", "added", "rest", "relevance", "reference_score", "fp32_distance"}
COUNTS = {"text", "start", "end"}
COLUMNS = {"words": frames.COLUMNS["words"], "texts": [*frames.COLUMNS["texts"], "label", "rules"]}
PRECISION = ["precision", "fp32_distance"]  # in the table of texts, where they were explained in half precision
ERROR = "error"  # in the table of texts: why a text was skipped


def schema(of: str, *, regression: bool, reference: bool, half: bool = False) -> pa.Schema:
    """Return the types of the columns, which must not depend on the values in a part of a corpus."""
    types = {}
    columns = COLUMNS[of] + (frames.REFERENCE_COLUMNS[of] if reference else [])
    columns = columns + (PRECISION if half else []) + [ERROR] if of == "texts" else columns
    for name in columns:
        number = (name in NUMBERS and not (of == "words" and name == "words")) or (regression and name == "prediction")
        types[name] = pa.float64() if number else pa.int64() if name in COUNTS else pa.string()
    return pa.schema(types)


def tables(
    outcomes: Sequence[Outcome], corpus: Corpus, reference: bool, half: str | None = None
) -> dict[str, pa.Table]:
    """Return both tables of a part of a corpus, whose texts are numbered from 0; `half` names a half precision.

    A text that was skipped has no words, and in the table of texts an error in place of its results.
    """
    explained = {index: outcome for index, outcome in enumerate(outcomes) if not isinstance(outcome, str)}
    items, numbers = list(explained.values()), list(explained)
    words, texts = frames.frame(items, "words"), frames.frame(items, "texts")
    texts["rules"] = [item.rules for item in items]
    if half is not None:
        texts["precision"], texts["fp32_distance"] = half, [item.fp32_distance for item in items]
    for table in (words, texts):
        table["text"] = [numbers[number] for number in table["text"]]

    texts = pd.DataFrame(texts.set_index("text"), index=range(len(outcomes)), dtype=object).rename_axis("text")
    pairs = [text if isinstance(text, tuple) else (text, "") for text in corpus.texts]
    texts["first"], texts["second"] = zip(*pairs, strict=True)
    texts["label"] = [label or None for label in corpus.labels] if corpus.labels else None
    texts[ERROR] = [outcome if isinstance(outcome, str) else None for outcome in outcomes]

    kind = {"regression": any(not isinstance(item.prediction, str) for item in items)}
    kind |= {"reference": reference, "half": half is not None}
    return {
        of: pa.Table.from_pandas(table, schema=schema(of, **kind), preserve_index=False)
        for of, table in (("words", _complete(words)), ("texts", _complete(texts.reset_index())))
    }


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the columns of a reference, which are missing if nothing was explained."""
    return table.assign(**{name: None for name in ("reference", "reference_score") if name not in table})


def read_words(path: str | Path) -> pd.DataFrame:
    """Read the table of words of an explained corpus."""
    return _read(path, "words")


def read_texts(path: str | Path) -> pd.DataFrame:
    """Read the table of texts of an explained corpus; those that were skipped have an ``error``."""
    texts = _read(path, "texts")
    return texts if ERROR in texts else texts.assign(**{ERROR: None})


def is_of_texts(path: str | Path) -> bool:
    """Return whether a table is that of texts of an explained corpus."""
    return ERROR in open_table(path).schema_arrow.names


def count_skipped(path: str | Path) -> int:
    """Return how many texts of the table of texts of an explained corpus were skipped."""
    table = open_table(path)
    if ERROR not in table.schema_arrow.names:
        return 0
    errors = table.read(columns=[ERROR])[ERROR]
    return len(errors) - errors.null_count


def read_numbers(path: str | Path) -> pd.DataFrame:
    """Read the table of texts of an explained corpus without the texts and their notes."""
    columns = _columns(path, "texts")
    texts = open_table(path).read(columns=[name for name in columns if name not in ("first", "second", "notes")])
    return texts.to_pandas() if ERROR in columns else texts.to_pandas().assign(**{ERROR: None})


def count_noted(path: str | Path, note: str) -> int:
    """Return how many texts of the table of texts have notes that contain a text."""
    return sum(pc.sum(pc.match_substring(table["notes"], note)).as_py() or 0 for table in groups(path, ["notes"]))


def read_rows(path: str | Path, of: str, numbers: Collection[int]) -> pd.DataFrame:
    """Read the rows of some texts of the table of words or of texts, by their numbers."""
    _columns(path, of)
    wanted = pa.array(sorted(numbers), pa.int64())
    return pa.concat_tables(table.filter(pc.is_in(table["text"], wanted)) for table in groups(path)).to_pandas()


def word_chunks(path: str | Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield some columns of the table of words, a group of rows at a time."""
    _columns(path, "words")
    return (table.to_pandas() for table in groups(path, columns))


def _read(path: str | Path, of: str) -> pd.DataFrame:
    _columns(path, of)
    return open_table(path).read().to_pandas()


def _columns(path: str | Path, of: str) -> list[str]:
    """Return the columns of a table; raise if one is absent that such a table has."""
    columns = open_table(path).schema_arrow.names
    if absent := [name for name in COLUMNS[of] if name not in columns]:
        raise TextError(
            f"'{path}' is not a table of {of}, it has no column '{absent[0]}'; 'lrp-domains text explain' writes them"
        )
    return columns
