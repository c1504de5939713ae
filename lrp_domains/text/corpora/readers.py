"""Files of texts as tables, one row per text; no row of a file is dropped without a word."""

import gzip
import io
import json
import warnings
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from ...domain import reason
from ..errors import TextError

FORMATS = (".csv", ".tsv", ".jsonl", ".txt")  # each also compressed, with .gz at the end
DELIMITED = (".csv", ".tsv")
PARQUET = ".parquet"


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of texts; its rows are those of the file, also blank ones, numbered from 0 after the header."""
    compressed = path.suffix == ".gz"
    suffix = Path(path.stem).suffix if compressed else path.suffix
    if suffix not in FORMATS and not (suffix == PARQUET and not compressed):
        raise TextError(
            f"'{path}' is not a table of texts: it should end in {', '.join((*FORMATS, PARQUET))}; all but the last "
            "may be compressed, such as .csv.gz"
        )
    if not path.is_file():
        raise TextError(f"there is no file '{path}'")
    try:
        if suffix == PARQUET:
            # As objects: a column of integers with a missing value would become one of floats.
            return pq.read_table(path).to_pandas(integer_object_nulls=True)
        return _READERS[suffix](_lines(path, compressed, delimited=suffix in DELIMITED))
    except TextError as error:
        raise TextError(f"'{path}': {error}") from error
    except Exception as error:  # pandas, pyarrow and gzip raise many kinds for a foreign file
        raise TextError(f"'{path}' could not be read as a table: {reason(error)}") from error


def _lines(path: Path, compressed: bool, *, delimited: bool) -> str:
    """Return the content of a text file without the blank lines before its header and after its last row."""
    data = path.read_bytes()
    content = (gzip.decompress(data) if compressed else data).decode("utf-8-sig")
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    # pandas would end the field there.
    if delimited and (place := content.find("\0")) >= 0:
        line = content.count("\n", 0, place) + 1
        raise TextError(f"line {line} contains a NUL byte: remove it, or save the file as UTF-8 if it is UTF-16")
    if delimited:  # the header follows them
        content = content.lstrip("\n")
    body = content.rstrip("\n")
    if blank := max(0, len(content) - len(body) - 1):
        warnings.warn(f"'{path}' ends in blank lines ({blank}), which are not rows", stacklevel=2)
    return body


def _delimited(content: str, separator: str) -> pd.DataFrame:
    if not content:
        return pd.DataFrame()
    options = {"dtype": str, "keep_default_na": False, "skip_blank_lines": False}
    table = pd.read_csv(io.StringIO(content), sep=separator, **options)
    if not isinstance(table.index, pd.RangeIndex):
        raise TextError("rows have more fields than the header has columns: quote texts that contain the delimiter")
    # pandas numbers the columns that have one name: "text", "text.1".
    header = pd.read_csv(io.StringIO(content), sep=separator, header=None, nrows=1, **options).iloc[0]
    table.columns = [name or pandas_name for name, pandas_name in zip(header, table.columns, strict=True)]
    return table


def _json_lines(content: str) -> pd.DataFrame:
    records = []
    for number, line in enumerate(content.split("\n") if content else []):
        try:
            record = json.loads(line) if line.strip() else {}
        except json.JSONDecodeError as error:
            raise TextError(f"row {number} (from 0) is not valid JSON: {error}") from error
        if not isinstance(record, dict):
            raise TextError(f"row {number} (from 0) is not an object with named values, {{...}}")
        records.append(record)
    # As objects: a column of numbers with a missing value would become one of floats.
    return pd.DataFrame(records, dtype=object)


def _plain(content: str) -> pd.DataFrame:
    return pd.DataFrame({"text": content.split("\n") if content else []}, dtype=object)


_READERS = {
    ".csv": lambda content: _delimited(content, ","),
    ".tsv": lambda content: _delimited(content, "\t"),
    ".jsonl": _json_lines,
    ".txt": _plain,
}
