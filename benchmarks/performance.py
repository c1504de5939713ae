"""Make ``docs/performance.md`` of the results: ``python -m benchmarks.performance``."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from .cost import ROUNDS, file_of
from .markdown import NONE, as_table
from .measure import RESULTS, median_ratio
from .methods import COMPILED, COMPILED_GRADIENTS, EXPLAINED, GRADIENT, PREDICTION
from .subjects import SINGLE_TEXTS, SUBJECTS

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
TEMPLATE = Path(__file__).parent / "performance.md.jinja"
ASKED = {"single": 0.6, "compiled": 1.1, "memory": 1.05}
EAGER = {"relevance, first": 1.25, "relevance, later": 1.1, "ledger": 1.6}
SMALLEST = 20.0  # MB
Record = dict[str, Any]


def page(results: Path = RESULTS) -> str:
    """Return the page as Markdown."""
    files = {name: file_of(name, results / "cost") for name in SUBJECTS}
    subjects = {name: json.loads(path.read_text()) for name, path in files.items() if path.exists()}
    methods = {name: record["methods"] for name, record in subjects.items()}
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True).from_string(TEMPLATE.read_text())
    return template.render(
        machines="; ".join(dict.fromkeys(record["machine"] for record in subjects.values())),
        missing="; ".join(name for name in SUBJECTS if name not in subjects),
        asked=ASKED,
        reached=as_table([_reached(name, found) for name, found in methods.items()]),
        ways=" and ".join(f"*{name}*" for name in COMPILED_GRADIENTS),
        smallest=f"{SMALLEST:.0f}",
        in_gradients=as_table(_in_gradients(methods)),
        failures=as_table(_failures(methods)),
        subjects=[{"name": name, "table": as_table(_details(found))} for name, found in methods.items()],
        against_length=as_table(_rows(results / "memory.json")),
        overhead=as_table(_rows(results / "overhead.json")),
        million=as_table(_rows(results / "genes_million.json")),
        eager=as_table(_eager(json.loads((results / "overhead.json").read_text())["rows"])),
        rounds=ROUNDS,
    )


# ---- Ratios


def compiled_gradient(methods: Record) -> str | None:
    """Return which of the compiled gradients is the fastest."""
    ran = [name for name in COMPILED_GRADIENTS if "later" in methods.get(name, {})]
    return min(ran, key=lambda name: statistics.median(methods[name]["later"]), default=None)


def in_time(methods: Record, name: str | None, of: str | None = GRADIENT) -> float | None:
    """Return the time of a later call divided by that of another method."""
    if any("later" not in methods.get(each or "", {}) for each in (name, of)):
        return None
    a, b = methods[name], methods[of]
    if a["once"]:  # next to a gradient of its own
        return a["later"][0] / a["gradient"][0] if of == GRADIENT else None
    return median_ratio(a["later"], b["later"])


def in_memory(methods: Record, name: str) -> float | None:
    """Return the working memory of a method divided by a gradient's, unless that is too small to compare."""
    if "later" not in methods.get(name, {}) or methods[GRADIENT]["working MB"] < SMALLEST:
        return None
    return methods[name]["working MB"] / methods[GRADIENT]["working MB"]


# ---- Tables


def _reached(subject: str, methods: Record) -> dict[str, str]:
    single = ASKED["single"] if subject in SINGLE_TEXTS else None
    return {
        "subject": subject,
        "eager / gradient": _number(in_time(methods, EXPLAINED)),
        "compiled / gradient": _judged(in_time(methods, COMPILED), single),
        "compiled / compiled gradient": _judged(
            in_time(methods, COMPILED, compiled_gradient(methods)), ASKED["compiled"]
        ),
        "memory, eager / gradient": _judged(in_memory(methods, EXPLAINED), ASKED["memory"]),
        "memory, compiled / gradient": _judged(in_memory(methods, COMPILED), ASKED["memory"]),
        "the faster compiled gradient": compiled_gradient(methods) or NONE,
    }


def _eager(rows: list[Record]) -> list[dict[str, str]]:
    """Return what is asked of the overhead, and how far it is reached."""
    table = []
    for call, limit in EAGER.items():
        values = [row[f"{call} / gradient"] for row in rows]
        span = f"{_number(min(values))} to {_number(max(values))}"
        table.append({"call": call, "asked, gradients": _number(limit), "measured": _judged(max(values), limit, span)})
    return table


def _judged(value: float | None, limit: float | None, shown: str | None = None) -> str:
    if value is None or limit is None:
        return _number(value)
    return f"{shown or _number(value)}, {'reached' if round(value, 2) <= limit else '**not reached**'}"


def _in_gradients(subjects: dict[str, Record]) -> list[dict[str, str]]:
    names = dict.fromkeys(name for methods in subjects.values() for name in methods)
    return [
        {"method": name} | {subject: _ratio(methods, name) for subject, methods in subjects.items()}
        for name in names
        if name != GRADIENT and any("later" in methods.get(name, {}) for methods in subjects.values())
    ]


def _ratio(methods: Record, name: str) -> str:
    found = methods.get(name, {})
    return "fails" if "failed" in found else _number(in_time(methods, name))


def _failures(subjects: dict[str, Record]) -> list[dict[str, str]]:
    where = defaultdict(list)
    for subject, methods in subjects.items():
        for name, found in methods.items():
            if "failed" in found:
                where[name, found["library"], found["failed"]].append(subject)
    keys = ("method", "library", "what it says")
    rows = [dict(zip(keys, key, strict=True)) | {"on": "; ".join(names)} for key, names in where.items()]
    return rows or [dict.fromkeys((*keys, "on"), NONE)]


def _details(methods: Record) -> list[dict[str, str]]:
    rows = []
    for name, found in methods.items():
        row = {"method": name + (" †" if found["once"] and "later" in found else ""), "library": found["library"]}
        if "later" not in found:
            reason = "fails: see above" if "failed" in found else f"left out: {found['left out']}"
            rows.append(row | {"first call, s": reason})
            continue
        rows.append(
            row
            | {
                "first call, s": _number(found["first"]),
                "later calls, s": NONE if found["once"] else _number(statistics.median(found["later"])),
                "/ gradient": _number(in_time(methods, name)),
                "/ prediction": _number(in_time(methods, name, PREDICTION)),
                "working, MB": _number(found["working MB"]),
                "kept, MB": _number(found["kept MB"]),
                "difference": NONE if found.get("difference") is None else f"{found['difference']:.0e}",
            }
        )
    head = next(list(row) for row in rows if len(row) > 3)
    return [{key: row.get(key, "") for key in head} for row in rows]


def _rows(results: Path) -> list[dict[str, str]]:
    rows = json.loads(results.read_text())["rows"]
    return [{key: value if isinstance(value, str) else _number(value) for key, value in row.items()} for row in rows]


def _number(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def main() -> None:
    PAGE.write_text(page())
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
