"""The figure of docs/evidence.md: faithfulness against cost, one panel per study of texts."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

COLUMNS = 3
OURS, THEIRS = "#2c6fbb", "#8a8a8a"
RULES = ("attn-lrp", "cp-lrp", "gim", "secant", "secant-half", "attn-lrp-midpoints")
SHORT = {
    "integrated-gradients": "IG 50",
    "integrated-gradients, 20 steps": "IG 20",
    "attn-lrp-midpoints": "4 midpoints",
}
LEAST = 0.3  # of the cost that is shown: attention and a random order cost less


def figure(records: Sequence[dict], measure: str = "ABPC") -> Figure:
    """Return a figure of the paired differences from integrated gradients, with their intervals."""
    rows = -(-len(records) // COLUMNS)
    figure = Figure(figsize=(11, 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for panel, record in zip(panels, records, strict=False):
        _panel(panel, record, measure)
    for panel in list(panels)[: rows * COLUMNS - len(records)]:
        panel.set_axis_off()
    figure.supxlabel("cost, in gradients", fontsize=9)
    figure.supylabel(f"{measure}, difference from integrated gradients", fontsize=9)
    return figure


def _panel(panel, record: dict, measure: str) -> None:
    table = pd.DataFrame(record["rows"])
    table = table[table["measure"] == measure]
    shown = table[table["difference"] > table.loc[table["method"] == "attn-lrp", "difference"].item() - 0.15]
    for row in shown.itertuples():
        cost, colour = max(row.gradients, LEAST), OURS if row.method in RULES else THEIRS
        if row.method == record["against"]:
            panel.plot(cost, 0, "o", color=colour)
        else:
            below, above = row.difference - row.difference_low, row.difference_high - row.difference
            panel.errorbar(cost, row.difference, [[below], [above]], fmt="o", capsize=2, color=colour)
        label = SHORT.get(row.method, row.method)
        panel.annotate(label, (cost, row.difference), xytext=(4, 3), textcoords="offset points", fontsize=7)
    panel.axhline(0, color="black", linewidth=0.5)
    panel.set(xscale="log", xlim=(LEAST / 1.3, 400))
    panel.set_title(record["title"].replace("; ", "\n", 1), fontsize=8)
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
