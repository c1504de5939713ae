"""A sequence with numbers for its letters as one array, and read back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..domain import DomainError
from .records import Record

COLUMNS = ("letter", "chromosome", "start", "strand", "relevance")


def array_of(record: Record, alphabet: str, relevance: np.ndarray, hypothetical: np.ndarray | None) -> np.ndarray:
    """Return one row per letter: letter, place, relevance, and a column per letter of the alphabet, NaN for None.

    A letter outside of the record's region has no chromosome.
    """
    shape, positions = (len(record.letters), len(alphabet)), np.array(record.positions())
    first, end = record.region or (positions.min(), positions.max() + 1)
    columns = (
        np.frombuffer(record.letters.encode(), "S1"),
        np.where((positions >= first) & (positions < end), record.chromosome or "", ""),
        positions,
        np.full(len(record.letters), record.strand),
        relevance.astype(np.float32),
        *(np.full(shape, np.nan) if hypothetical is None else hypothetical).T.astype(np.float32),
    )
    return np.rec.fromarrays(columns, names=[*COLUMNS, *alphabet])


def read_array(array: np.ndarray, name: str, label: str | None) -> dict[str, Any]:
    """Return the arguments of `array_of` for an array that it returned; `name` and `label` are those of the record."""
    columns = array.dtype.names or ()
    if columns[: len(COLUMNS)] != COLUMNS:
        raise DomainError(f"the array of '{name}' is not that of an explained sequence")
    letters, strand = array["letter"].tobytes().decode(), str(array["strand"][0])
    placed = array[array["chromosome"] != ""]
    chromosome, start = str(placed["chromosome"][0]) if len(placed) else None, int(array["start"].min())
    region = (int(placed["start"].min()), int(placed["start"].max()) + 1) if 0 < len(placed) < len(array) else None
    alphabet = columns[len(COLUMNS) :]
    hypothetical = np.column_stack([array[letter] for letter in alphabet])
    return {
        "record": Record(letters, name, chromosome, start, strand, label, region),
        "alphabet": "".join(alphabet),
        "relevance": array["relevance"],
        "hypothetical": None if np.isnan(hypothetical).all() else hypothetical,
    }
