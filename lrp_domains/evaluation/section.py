"""A comparison as the part of a page: a table of methods, their curves, cost against faithfulness, and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..domain.page import drawing
from .comparison import Comparison, lower_is_better

FAITHFULNESS = ("ABPC", "comprehensiveness", "sufficiency")


def section(comparison: Comparison, measures: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the variables of ``methods.html.j2``.

    Parameters
    ----------
    comparison
        The methods.
    measures
        Which measures the table has; None: all.
    """
    measures = [name for name in comparison.values.columns if measures is None or name in measures]
    cells = {(row.method, row.measure): row for row in comparison.table().itertuples()}
    has_costs = "ABPC" in comparison.values and comparison.costs["gradients"].notna().any()
    return {
        "samples": int(comparison.values.groupby(level="method").size().max()),
        "warnings": comparison.warnings(),
        "measures": [(name, lower_is_better(name)) for name in measures],
        "rows": [
            {"method": method, "cells": [cells[method, name] for name in measures], "costs": costs.to_dict()}
            for method, costs in comparison.costs.iterrows()
        ],
        "curves": None if comparison.curves.empty else drawing(comparison.removal_figure()),
        "cost": drawing(comparison.figure()) if has_costs else None,
    }
