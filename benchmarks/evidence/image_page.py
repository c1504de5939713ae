"""The part of the page of evidence on images, made of its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from lrp_domains.evaluation.comparison import lower_is_better

from ..markdown import NONE, as_table
from . import images

TEMPLATE = Path(__file__).parent / "images.md.jinja"
# The measures by what the page calls them.
SHOWN = {
    "mass accuracy (positive)": "mass accuracy",
    "rank accuracy (positive)": "rank accuracy",
    "deletion@blur": "deletion, blurred ↓",
    "deletion@mean": "deletion, mean ↓",
}
Record = dict[str, Any]


def section(folder: Path) -> tuple[str, list[str]]:
    """Return the section as Markdown, and the machines that it was measured on."""
    path = folder / "images.json"
    studies = json.loads(path.read_text())["studies"] if path.exists() else {}
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE.read_text())
    names = list(dict.fromkeys(model for study in studies.values() for model in study["models"]))
    text = template.render(
        missing="; ".join(study.title for name, study in images.STUDIES.items() if name not in studies),
        pictures=images.COUNT,
        against=images.AGAINST,
        overall=[{"model": name, "table": _overall(name, studies)} for name in names],
        leads=as_table([row for name in names for row in _leads(name, studies)]),
        studies=[_study(study) for study in studies.values()],
    )
    return text, list(dict.fromkeys(study["machine"] for study in studies.values()))


def is_rule(method: str) -> bool:
    """Return whether a method is a rule set of ours; gradient x input, which is one too, is a rival."""
    return not method.startswith(("gradient", "integrated", "grad-cam", "random"))


def means(model: str, studies: Mapping[str, Record]) -> pd.DataFrame:
    """Return the means of a model's methods over the studies: one row per method, one column per measure, and the
    cost."""
    rows = pd.concat([pd.DataFrame(study["models"][model]["rows"]) for study in studies.values()])
    costs = rows.groupby("method", sort=False)["gradients"].median()
    found = rows.pivot_table(index="method", columns="measure", values="mean", sort=False)
    return found[list(SHOWN)].assign(gradients=costs)


def _overall(model: str, studies: Mapping[str, Record]) -> str:
    """Return the means over the studies, and in how many of them a method is best in each measure, or level."""
    table = means(model, studies)
    rows = []
    for method, row in table.iterrows():
        cells = {"method": method}
        for measure, head in SHOWN.items():
            best = sum(method in study["models"][model]["best"].get(measure, ()) for study in studies.values())
            cells[head] = f"{row[measure]:.3f} ({best})"
        rows.append(cells | {"gradients": f"{row['gradients']:.1f}"})
    return as_table(rows)


def _leads(model: str, studies: Mapping[str, Record]) -> list[Record]:
    """Return one row per measure: the best rule and the best rival, by the mean over the studies, and how many of the
    studies have a best rival beyond the interval of all rules."""
    table, rows = means(model, studies), []
    for measure, head in SHOWN.items():
        order = table[measure].sort_values(ascending=lower_is_better(measure))
        rule, rival = (next(name for name in order.index if is_rule(name) == ours) for ours in (True, False))
        best = [study["models"][model]["best"][measure] for study in studies.values()]
        rows.append(
            {
                "network": model,
                "measure": head,
                "best rule": f"{rule}, {order[rule]:.3f}",
                "best rival": f"{rival}, {order[rival]:.3f}",
                "only rivals are best": f"{sum(not any(map(is_rule, of)) for of in best)} of {len(best)}",
                "only rules are best": f"{sum(all(map(is_rule, of)) for of in best)} of {len(best)}",
            }
        )
    return rows


def _study(study: Record) -> Record:
    """Return a study's tables: the means, and paired differences."""
    models = []
    for name, record in study["models"].items():
        rows = pd.DataFrame(record["rows"])
        tables: dict[str, list[Record]] = {"means": [], "differences": []}
        for method, of in rows.groupby("method", sort=False):
            cells = of.set_index("measure")
            texts = {measure: f"{cells.loc[measure, 'mean']:.3f}" for measure in SHOWN}
            shown = {
                head: f"**{texts[measure]}**" if method in record["best"].get(measure, ()) else texts[measure]
                for measure, head in SHOWN.items()
            }
            tables["means"].append({"method": method} | shown | {"gradients": f"{cells['gradients'].iloc[0]:.1f}"})
            if method != images.AGAINST:
                of_method = {head: _difference(cells.loc[measure]) for measure, head in SHOWN.items()}
                tables["differences"].append({"method": method} | of_method)
        models.append(
            {
                "name": name,
                "accuracy": f"{record['accuracy']:.2f}",
                "pictures": record["pictures"],
                "true": f"{record['true']:.3f}",
                **{kind: as_table(lines) for kind, lines in tables.items()},
            }
        )
    return {"title": study["title"], "models": models}


def _difference(cell: pd.Series) -> str:
    if pd.isna(cell["difference_low"]):
        return NONE
    return f"{cell['difference']:+.3f} [{cell['difference_low']:+.3f}, {cell['difference_high']:+.3f}]"
