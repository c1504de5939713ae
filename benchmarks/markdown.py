"""Tables of the pages that are made of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NONE = "–"


def as_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as a table of Markdown, with the columns of the first; nothing if there are none."""
    if not rows:
        return ""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row.get(key, NONE) for key in head) + " |" for row in rows)])
