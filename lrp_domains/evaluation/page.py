"""A comparison as files: its table, its curves, the values of each sample, and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..domain import whole_file
from ..domain.files.tsv import read_tsv, write_tsv
from ..domain.page import templates
from .comparison import COSTS, Comparison
from .removal import CURVES
from .section import section

FILES = ("comparison.tsv", "curves.tsv", "samples.parquet", "comparison.html")


def write_comparison(
    comparison: Comparison, folder: str | Path, *, title: str, notes: Sequence[str] = (), against: str | None = None
) -> None:
    """Write a comparison to a folder: ``comparison.tsv``, ``curves.tsv``, ``samples.parquet``, ``comparison.html``.

    Parameters
    ----------
    comparison
        From `compare`.
    folder
        The folder, which is made.
    title
        Of the page.
    notes
        What it should say about the data, sentence by sentence.
    against
        As in `Comparison.table`.
    """
    table, curves, samples, page = (Path(folder) / name for name in FILES)
    write_tsv(comparison.table(against), table, float_format="%.6g")
    write_tsv(comparison.curves.reset_index(), curves, float_format="%.6g")
    with whole_file(samples) as temporary:
        comparison.values.reset_index().to_parquet(temporary, index=False)
    html = templates(__package__).get_template("comparison.html.j2")
    text = html.render(title=title, notes=list(notes), comparison=section(comparison))
    with whole_file(page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_comparison(folder: str | Path) -> Comparison | None:
    """Read the comparison that `write_comparison` wrote to a folder; None if the folder has none."""
    table, curves, samples, _ = (Path(folder) / name for name in FILES)
    if not all(path.is_file() for path in (table, curves, samples)):
        return None
    costs = read_tsv(table, text=("method",)).drop_duplicates("method").set_index("method")
    return Comparison(
        pd.read_parquet(samples).set_index(["method", "sample"]),
        costs=costs[[name for name in COSTS if name in costs]].astype(float),
        curves=read_tsv(curves, text=("method",)).set_index(["method", "fraction"])[list(CURVES)].astype(float),
    )
