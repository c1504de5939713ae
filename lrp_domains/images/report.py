"""The report of explained sets of pictures: one self-contained HTML page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..domain import read_arrays, write_sections
from ..domain.page import Drawing, drawing
from ..domain.results.outcomes import by_explained, outcomes_by_number
from .drawing import for_page

LEDGER = {"units": "pixels", "rest": "rest: biases, positions, residue"}
CHUNK = 64  # pictures in memory at once


def write_report(
    folders: Iterable[str | Path],
    path: str | Path,
    *,
    title: str = "Pixels that decided the predictions",
    examples: int = 8,
) -> None:
    """Write one self-contained HTML report, `path`, of explained sets of pictures.

    `folders` are those of results, each with ``explained.parquet`` and ``explained.npz``. `examples` is the number of
    pictures of each kind: most confident, most wrong, closest calls.
    """
    options = {"show": _shown, "unit": "pictures", "ledger": LEDGER, "examples": examples}
    write_sections(folders, path, (__package__,), title=title, **options)


def _shown(outcomes: pd.DataFrame, examples: dict[str, list[int]], arrays: Path) -> dict[str, Any]:
    """Return the drawn examples with their outcomes, and the drawn mean of each class."""
    rows, known = outcomes_by_number(outcomes), outcomes.dropna(subset="target")
    return {
        "examples": {kind: [(rows[n], _drawn([n], arrays)) for n in numbers] for kind, numbers in examples.items()},
        "means": {name: _drawn(part["sample"].tolist(), arrays) for name, part in by_explained(known)},
    }


def _drawn(numbers: list[int], arrays: Path) -> Drawing | None:
    """Return the mean picture and the mean relevance of some pictures; None if they differ in size."""
    pixels, picture = 0.0, 0.0
    for start in range(0, len(numbers), CHUNK):
        names = [f"{number}{kind}" for number in numbers[start : start + CHUNK] for kind in ("", ".picture")]
        several = list(read_arrays(arrays, names).values())
        if len({array.shape[:2] for array in (*several, *([pixels] if start else []))}) > 1:
            return None
        pixels = pixels + sum(several[::2]) / len(numbers)
        picture = picture + sum(map(np.float32, several[1::2])) / len(numbers)
    return drawing(for_page(pixels, np.rint(picture).astype(np.uint8)), colours=None)
