"""The figure of docs/evidence.md: faithfulness against cost, one panel per study of texts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMNS = 3
# Ours are coloured circles, the others have grey marks.
OURS = ("attn-lrp", "cp-lrp", "gim", "secant", "secant-half", "attn-lrp-midpoints")
MARKS = {
    "integrated-gradients": "s", "integrated-gradients, 10 steps": "D", "gradient-shap": "^", "smooth-gradient": "v",
    "kernel-shap": "P", "lime": "X", "occlusion": "*", "attention": "d",
}  # fmt: skip
LEAST = 0.5  # of the cost that is shown
LOWEST = -0.15  # of the difference that is shown


def figure(records: Sequence[dict], measure: str = "ABPC") -> Figure:
    """Return a figure of the paired differences from integrated gradients, with their intervals."""
    rows = -(-len(records) // COLUMNS)
    figure = Figure(figsize=(11, 3.2 * rows + 0.8), layout="constrained")
    panels = list(figure.subplots(rows, COLUMNS, squeeze=False, sharex=True).flat)
    handles = {}
    for panel, record in zip(panels, records, strict=False):
        handles |= _panel(panel, record, measure)
    for panel in panels[len(records) :]:
        panel.set_axis_off()
    figure.supxlabel("cost, in gradients", fontsize=9)
    figure.supylabel(f"{measure}, difference from integrated gradients", fontsize=9)
    shown = [name for name in (*OURS, *MARKS) if name in handles]
    figure.legend(
        [handles[name] for name in shown], shown, loc="outside upper center", ncols=5, frameon=False, fontsize=8
    )
    return figure


def _panel(panel: Axes, record: dict, measure: str) -> dict[str, object]:
    """Draw the methods of a study, and return what a legend needs of each."""
    table = pd.DataFrame(record["rows"])
    rows = table[(table["measure"] == measure) & table["method"].isin([*OURS, *MARKS])]
    handles = {}
    for row in rows[rows["difference"] > LOWEST].itertuples():
        errors = [[row.difference - row.difference_low], [row.difference_high - row.difference]]
        look = {"fmt": "o", "color": f"C{OURS.index(row.method)}"} if row.method in OURS else {
            "fmt": MARKS[row.method], "color": "0.45"
        }  # fmt: skip
        handles[row.method] = panel.errorbar(max(row.gradients, LEAST), row.difference, errors, **look, capsize=2)
    panel.axhline(0, color="black", linewidth=0.5)
    panel.set_xscale("log")
    panel.set_title("\n".join(textwrap.wrap(record["title"], 48)), fontsize=8)
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
    return handles
