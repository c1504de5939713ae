"""The part of the page of evidence on genes, made of its results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined

from lrp_domains.evaluation import LOWER_IS_BETTER

from ..markdown import NONE, as_table
from . import cells, cohorts, genes, network, nothing

TEMPLATE = Path(__file__).parent / "genes.md.jinja"
SHOWN = ("ABPC", "comprehensiveness", "deletion", "deletion@100", "AUAC", "AUPRC")
REMOVALS = {
    "zero": "removed genes are 0",
    "mean": "removed genes have their mean over the cohort",
    "permuted": "removed genes have the value of another cell",
}
# What the labels of cohorts are called.
GROUPS = {
    "receptor": {"0.0": "ER negative", "1.0": "ER positive", "negative": "ER negative", "positive": "ER positive"},
    "grade": {"1-2": "grade 1 or 2", "3": "grade 3"},
    "metastasis": {"0.0": "none", "1.0": "metastasis"},
    "HER2": {"0.0": "HER2 negative", "1.0": "HER2 positive"},
    "progesterone": {"0.0": "PR negative", "1.0": "PR positive"},
}
BEFORE, AFTER = (0.01, "mean"), (30.0, "consistency")
Record = dict[str, Any]


def section(folder: Path) -> tuple[str, list[str]]:
    """Return the section as Markdown, and the machines that it was measured on."""
    paths = {name: folder / f"{name}.json" for name in ("cells", "network", "nothing", "genes")}
    files = {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}
    records = {name: record["studies"] for name, record in files.items()}
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE.read_text())
    compared, agreed = records.get("cells", {}), records.get("genes", {})
    changes = [_change(name, study) for name, study in agreed.items()]
    text = template.render(
        missing="; ".join(_missing(records)),
        faithful=as_table(_claims(compared)),
        leads=as_table(_leads(compared) if compared else []),
        compared=[_compared(study) for study in compared.values()],
        drivers=[_drivers(study) for study in records.get("network", {}).values()],
        nothing=as_table([row for name, study in records.get("nothing", {}).items() for row in _nothing(name, study)]),
        changes=as_table([change["row"] for change in changes]),
        confirmed=_confirmed(changes),
        seeds=genes.SEEDS,
        probes=cohorts.PROBES,
        agreed=[{"name": name, "table": _agreed(name, study)} for name, study in agreed.items()],
    )
    measured = [part for record in files.values() for part in (record, *record["studies"].values())]
    return text, list(dict.fromkeys(part["machine"] for part in measured if "machine" in part))


def _missing(records: Mapping[str, Record]) -> list[str]:
    studies = {"cells": cells.STUDIES, "network": network.STUDIES, "nothing": nothing.STUDIES, "genes": genes.STUDIES}
    return [name for part, names in studies.items() for name in names if name not in records.get(part, {})]


def _claims(compared: Mapping[str, Record]) -> list[Record]:
    """Return one row per study and way of removal: by which rivals our rules are surpassed in the deletion area."""
    return [
        {"cells": study["title"], "removed genes": how}
        | {rule: _claim(rule, removal) for rule in ("attn-lrp", "gamma", "secant", "secant-mean")}
        for study in compared.values()
        for how, removal in study["removals"].items()
    ]


def _claim(rule: str, removal: Record) -> str:
    """Return the rival that is lowest beyond the interval and by how much, and how many more there are."""
    rivals = removal["rivals"][rule]
    if not rivals["lower"]:
        return "**lowest**"
    if not rivals["beyond the interval"]:
        return "**tie**"
    areas = _areas(removal)
    lowest, more = areas[rivals["beyond the interval"]].idxmin(), len(rivals["beyond the interval"]) - 1
    return f"{lowest} {areas[lowest] - areas[rule]:+.4f}" + (f", and {more} more" if more else "")


def _leads(compared: Mapping[str, Record]) -> list[Record]:
    """Return one row per rule: how far rivals are ahead of it at most, by what removed genes are read as."""
    rows = []
    for rule in cells.RULES:
        row = {"rule": rule}
        for how in REMOVALS:
            removals = [study["removals"][how] for study in compared.values()]
            lead = max((_lead(rule, removal) for removal in removals), default=0.0)
            behind = sum(bool(removal["rivals"][rule]["beyond the interval"]) for removal in removals)
            row[how] = f"{lead:.4f} in {behind} of {len(removals)}"
        rows.append(row)
    return rows


def _lead(rule: str, removal: Record) -> float:
    """Return how much lower the deletion area of the best rival is, of those that are lower beyond the interval."""
    areas = _areas(removal)
    return max((areas[rule] - areas[rival] for rival in removal["rivals"][rule]["beyond the interval"]), default=0.0)


def _areas(removal: Record) -> pd.Series:
    table = pd.DataFrame(removal["rows"])
    return table[table["measure"] == "deletion"].set_index("method")["mean"]


def _compared(study: Record) -> Record:
    """Return a study's tables, one per way of removal."""
    return {
        "title": study["title"],
        "cells": study["cells"],
        "accuracy": f"{study['accuracy']:.2f}",
        "removals": [
            {
                "how": REMOVALS[how],
                "compared": removal["compared"],
                "warnings": removal["warnings"],
                "table": _means(removal),
            }
            for how, removal in study["removals"].items()
        ],
    }


def _means(removal: Record) -> str:
    """Return means per method; methods of the same figures share a row."""
    rows: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    table = pd.DataFrame(removal["rows"])
    shown = [measure for measure in SHOWN if measure in set(table["measure"])]
    for method, of in table.groupby("method", sort=False):
        means = of.set_index("measure")["mean"]
        texts = (f"{means[measure]:.3f}" for measure in shown)
        best = (method in removal["best"].get(measure, ()) for measure in shown)
        figures = tuple(f"**{text}**" if bold else text for text, bold in zip(texts, best, strict=True))
        rows.setdefault(figures, []).append((method, float(of["gradients"].iloc[0])))
    return as_table(
        [
            {"method": ", ".join(name for name, _ in methods)}
            | {_head(measure): text for measure, text in zip(shown, figures, strict=True)}
            | {"gradients": _between([cost for _, cost in methods])}
            for figures, methods in rows.items()
        ]
    )


def _head(measure: str) -> str:
    return f"{measure} ↓" if measure.partition("@")[0] in LOWER_IS_BETTER else measure


def _between(costs: Sequence[float]) -> str:
    low, high = f"{min(costs):.1f}", f"{max(costs):.1f}"
    return low if low == high else f"{low} to {high}"


def _drivers(study: Record) -> Record:
    rows = [
        {"method": row["method"]}
        | {
            name: _bold(f"{row[name]['mean']:.3f} [{row[name]['low']:.3f}, {row[name]['high']:.3f}]", row[name]["best"])
            for name in ("AUPRC", "precision")
        }
        | {"AUPRC, difference from attn-lrp": _difference(row["AUPRC"]) if row["method"] != network.AGAINST else NONE}
        for row in study["rows"]
    ]
    return study | {
        "table": as_table(rows),
        "true": f"{study['true']:.2f}",
        "performance": f"{study['performance']:.2f}",
    }


def _difference(cell: Record) -> str:
    return f"{cell['difference']:+.3f} [{cell['difference_low']:+.3f}, {cell['difference_high']:+.3f}]"


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best else text


def _nothing(name: str, study: Record) -> list[Record]:
    """Return a row for the true labels, one for other networks of these, and one for all permutations."""
    rows = pd.DataFrame(study["rows"])
    permuted = rows["labels"].str.startswith("permuted")
    found = []
    for labels, of in [(row["labels"], rows.loc[[number]]) for number, row in rows[~permuted].iterrows()] + [
        (f"permuted, {permuted.sum()} times", rows[permuted])
    ]:
        likeness = of["spearman"].isna().all()
        found.append(
            {
                "cells": name,
                "labels": labels,
                "held-out accuracy (chance)": f"{of['held out'].mean():.2f} ({of['chance'].mean():.2f})",
                "warned of chance": f"{int(of['at chance'].sum())} of {len(of)}",
                "genes with p < .05": f"{100 * of['p < .05'].mean():.1f} %",
                "with adjusted p <= .05": f"{of['adjusted p <= .05'].mean():g} of {of['genes'].iloc[0]}",
                "with q <= .1": f"{of['q <= .1'].mean():g}",
                "Spearman with true": NONE if likeness else f"{of['spearman'].mean():.2f}",
                "Jaccard@20 with true": NONE if likeness else f"{of['jaccard'].mean():.2f}",
            }
        )
    return found


def _change(name: str, study: Record) -> Record:
    """Return what the defaults for bulk change, paired by seed: agreement, faithfulness and accuracy."""
    frame = pd.DataFrame(study["rows"])

    def of(setting: tuple[float, str], column: str) -> pd.Series:
        rows = frame[(frame["decay"] == setting[0]) & (frame["order"] == setting[1])]
        return rows.dropna(subset=[column]).groupby("seed")[column].mean()

    frame["from differential"] = frame["deletion"] - frame["deletion of differential"]
    gain = of(AFTER, "jaccard") - of(BEFORE, "jaccard")
    error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
    accuracy = of(AFTER, "accuracy").mean()
    row = {
        "question": name,
        "patients": genes.STUDIES[name].seen,
        "Jaccard, mean and 0.01": f"{of(BEFORE, 'jaccard').mean():.3f}",
        "Jaccard, consistency and 30": f"{of(AFTER, 'jaccard').mean():.3f}",
        "difference": f"{gain.mean():+.3f} ± {error:.3f}",
        "differential expression": f"{of(AFTER, 'jaccard of differential').mean():.3f}",
        "Spearman": f"{of(BEFORE, 'spearman').mean():.2f}, {of(AFTER, 'spearman').mean():.2f}",
        "deletion, minus differential expression's": f"{of(BEFORE, 'from differential').mean():+.4f}, "
        f"{of(AFTER, 'from differential').mean():+.4f}",
        "accuracy": f"{of(BEFORE, 'accuracy').mean():.3f}, {accuracy:.3f}",
    }
    return {"row": row, "seen": genes.STUDIES[name].seen, "gain": float(gain.mean()), "error": error}


def _confirmed(changes: Sequence[Record]) -> str:
    """Return in words on how many questions the defaults raise agreement, by what was seen in choosing them."""
    words = []
    for seen in (genes.OTHER, genes.SAME, genes.CHOSEN):
        of = [change for change in changes if change["seen"] == seen]
        higher = sum(change["gain"] > 2 * change["error"] for change in of)
        lower = sum(change["gain"] < -2 * change["error"] for change in of)
        if of:
            words.append(f"{seen}: higher in {higher} of {len(of)}, lower in {lower}")
    return "; ".join(words)


def _agreed(name: str, study: Record) -> str:
    """Return one row per weight decay and order."""
    groups = next((groups for what, groups in GROUPS.items() if name.startswith(what)), {})
    rows = []
    for of in study["summary"]:
        heads = {head: ", ".join(groups.get(part, part) for part in head.split(", ")) for head in of}
        rows.append({heads[head]: str(value) for head, value in of.items()})
    return as_table(rows)
