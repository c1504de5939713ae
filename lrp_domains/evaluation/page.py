"""A comparison as files: its table, the values of each sample, and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..domain import whole_file
from ..domain.files.tsv import write_tsv
from ..domain.page import drawing, templates
from .comparison import Comparison, lower_is_better

FILES = ("comparison.tsv", "samples.parquet", "comparison.html")


def write_comparison(
    comparison: Comparison, folder: str | Path, *, title: str, notes: Sequence[str] = (), against: str | None = None
) -> None:
    """Write a comparison to a folder: ``comparison.tsv``, ``samples.parquet``, ``comparison.html``.

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
    folder = Path(folder)
    table = comparison.table(against)
    write_tsv(table, folder / FILES[0], float_format="%.6g")
    with whole_file(folder / FILES[1]) as temporary:
        comparison.values.reset_index().to_parquet(temporary, index=False)
    page = templates(__package__).get_template("comparison.html.j2")
    measures = list(comparison.values.columns)
    html = page.render(
        title=title,
        notes=list(notes),
        warnings=comparison.warnings(),
        measures=[(name, lower_is_better(name)) for name in measures],
        rows=_rows(table, comparison, measures),
        samples=comparison.values.groupby(level="method").size().max(),
        figure=drawing(comparison.figure()) if "ABPC" in measures else None,
    )
    with whole_file(folder / FILES[2]) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _rows(table: pd.DataFrame, comparison: Comparison, measures: Sequence[str]) -> list[dict]:
    """Return one row per method, with a cell per measure."""
    cells = {(row.method, row.measure): row for row in table.itertuples()}
    return [
        {
            "method": method,
            "cells": [cells[method, measure] for measure in measures],
            "seconds": comparison.costs.loc[method, "seconds"],
            "gradients": comparison.costs.loc[method, "gradients"],
        }
        for method in comparison.methods
    ]
