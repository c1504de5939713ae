"""Make ``docs/evidence.md`` of the results: ``python -m benchmarks.evidence.page``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from lrp_domains.evaluation import LOWER_IS_BETTER

from ..markdown import NONE, as_table
from ..measure import RESULTS
from . import gene_page, image_page
from .figure import figure
from .text import STUDIES

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
FIGURE = PAGE.with_suffix(".png")
TEMPLATE = Path(__file__).parent / "evidence.md.jinja"
SHOWN = (
    "ABPC", "comprehensiveness", "sufficiency", "AUAC", "AU-MSE", "AUPRC", "p@1", "mass accuracy",
)  # fmt: skip
Record = dict[str, Any]


def page(results: Path = RESULTS) -> str:
    """Return the page as Markdown."""
    folder = results / "evidence"
    texts = {name: _read(folder / f"text_{name}.json") for name in STUDIES}
    names = ("pairs", "behaviours", "dependence")
    pairs, behaviours, dependence = (_read(folder / f"{name}.json") for name in names)
    genes, machines_of_genes = gene_page.section(folder)
    images, machines_of_images = image_page.section(folder)
    machines = [record["machine"] for record in (*texts.values(), pairs, behaviours, dependence) if record]
    machines += machines_of_genes + machines_of_images
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE.read_text())
    return template.render(
        machines="; ".join(dict.fromkeys(machines)),
        missing="; ".join(STUDIES[name].title for name, record in texts.items() if not record),
        texts=[_study(record) for record in texts.values() if record],
        dependence=_dependence(dependence) if dependence else "",
        sentences=dependence["sentences"] if dependence else 0,
        pairs=_pairs(pairs) if pairs else "",
        genes=genes,
        images=images,
        behaviours=_behaviours(behaviours) if behaviours else "",
        why=behaviours["why"] if behaviours else {},
        right=behaviours["right"] if behaviours else 0,
    )


def _read(path: Path) -> Record | None:
    return json.loads(path.read_text()) if path.exists() else None


def _study(record: Record) -> Record:
    """Return a study's two tables: means, and paired differences in faithfulness."""
    rows = pd.DataFrame(record["rows"])
    shown = [measure for measure in SHOWN if measure in set(rows["measure"])]
    means, differences = [], []
    for method, of in rows.groupby("method", sort=False):
        cells = of.set_index("measure")
        row = {"method": method}
        for measure in shown:
            text = f"{cells.loc[measure, 'mean']:.3f}"
            row[_head(measure)] = f"**{text}**" if method in record["best"].get(measure, ()) else text
        means.append(row | {"gradients": f"{cells['gradients'].iloc[0]:.1f}"})
        if method != record["against"]:
            differences.append({"method": method} | {m: _difference(cells.loc[m]) for m in shown})
    return {
        "title": record["title"],
        "texts": record["texts"],
        "against": record["against"],
        "warnings": record["warnings"],
        "means": as_table(means),
        "differences": as_table(differences),
    }


def _head(measure: str) -> str:
    return f"{measure} ↓" if measure in LOWER_IS_BETTER else measure


def _difference(cell: pd.Series) -> str:
    return f"{cell['difference']:+.3f} [{cell['difference_low']:+.3f}, {cell['difference_high']:+.3f}]"


def _pairs(record: Record) -> str:
    """Return one row per method, one column per phenomenon."""
    rows: dict[str, Record] = {}
    for name, study in record["studies"].items():
        head = f"{name.replace('_', ' ').removesuffix(' 1')} ({study['pairs']} pairs)"
        for row in study["rows"]:
            if row["measure"] == "p@1":
                cell = f"{row['mean']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"
                rows.setdefault(row["method"], {"method": row["method"]})[head] = f"**{cell}**" if row["best"] else cell
    return as_table(list(rows.values()))


def _dependence(record: Record) -> str:
    """Return one row per method, one column per layer."""
    return as_table([{name: _two(value) for name, value in row.items()} for row in record["rows"]])


def _two(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}"


def _behaviours(record: Record) -> str:
    """Return one row per method, one column per behaviour; errors that are right in bold."""
    rows = []
    for row in record["rows"]:
        cells = {name: value for name, value in row.items() if name != "method"}
        right = sum(value is not None and value <= record["right"] for value in cells.values())
        shown = {
            name: NONE if value is None else f"**{value:.2f}**" if value <= record["right"] else f"{value:.2f}"
            for name, value in cells.items()
        }
        rows.append({"method": row["method"], "right": f"{right} of {len(cells)}"} | shown)
    return as_table(rows)


def main() -> None:
    PAGE.write_text(page())
    drawn = [name for name in STUDIES if name != "gender_others"]  # of which another study has more
    if records := [record for name in drawn if (record := _read(RESULTS / "evidence" / f"text_{name}.json"))]:
        figure(records).savefig(FIGURE, dpi=110)
    print(PAGE)


if __name__ == "__main__":
    main()
