"""The tables across cohorts as an index reads them from files: only the rows that it shows."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ...domain import reason
from ...domain.files.tsv import original
from ..errors import CohortError
from .across_section import TEXT, likely_sets

ROWS = 50_000  # read at a time


def read_across(name: str, path: str | Path, top: int) -> pd.DataFrame:
    """Read a table of ``consensus``, ``agreement``, ``enrichment`` or ``recovery``, without rows that aren't shown."""
    parts = [_shown(name, rows, top) for rows in _chunks(Path(path))]
    return pd.concat(parts, ignore_index=True)


def _shown(name: str, rows: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the rows that are shown or counted; all of a table that lacks a column, which is reported later."""
    if name == "consensus" and {"rank", "cohorts"} <= set(rows):
        return rows[(rows["rank"] <= top) | rows["cohorts"].notna()]
    if name == "enrichment" and {"nes", "p_adjusted", "cohort", "group"} <= set(rows):
        return likely_sets(rows)
    return rows


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pd.read_csv(
            path, sep="\t", dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values="", chunksize=ROWS
        ) as chunks:
            yield from map(original, chunks)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise CohortError(f"'{path}' could not be read as a table: {reason(error)}") from error
