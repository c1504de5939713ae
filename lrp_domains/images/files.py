"""Sets of pictures checked, and explained to files in parts that resume."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import DomainError, Outcome, class_number, explain_parts
from ..domain.files.sets import read_set
from ..domain.runs.tensors import targets_of
from .explainer import ImageExplainer
from .pictures import SUFFIXES, read_picture

Paths = str | Path | Sequence[str | Path]


def check_files(pictures: Paths, explainer: ImageExplainer, *, label_column: str | None = None, **request: Any) -> dict:
    """Read all pictures and explain the first, before long work; return a summary.

    The arguments are those of `explain_files`. Raise `lrp_domains.domain.DomainError` if pictures can't be read, if a
    label is not that of a class, or if the first picture can't be explained.
    """
    files = read_set(pictures, SUFFIXES, label_column=label_column, unit="pictures")
    notes, wrong = Counter(), []
    for path in files.paths:
        try:
            notes.update(read_picture(path, "RGB", str(path))[1])
        except DomainError as error:
            wrong.append(str(error))
    if wrong:
        raise DomainError(f"{len(wrong)} of {len(files.paths)} pictures can't be read: {'; '.join(wrong[:5])}")
    target = targets_of(request.pop("target", None), len(files.paths), "pictures")[0]
    size = explainer(files.paths[0], target, **request).pixels.shape
    counts = Counter(_named(files.labels, explainer.classes) or ())
    return {"samples": len(files.paths), "labels": dict(counts), "notes": dict(notes), "size": size}


def explain_files(
    pictures: Paths,
    explainer: ImageExplainer,
    out: str | Path,
    *,
    label_column: str | None = None,
    key: str = "",
    target: Any = None,
    against: str | int | None = None,
    reference: Any = None,
    **options: Any,
) -> int:
    """Explain pictures to a table, and to arrays next to it, ``.npz``; an interrupted run resumes.

    The array ``0`` is the relevance of the first picture, H x W, and ``0.picture`` what the model saw, H x W x 3.

    Parameters
    ----------
    pictures
        A folder; a table, ``.csv`` or ``.tsv``, with a column ``path`` (relative to the table); or paths.
    explainer, target, against, reference
        As in a call of the explainer.
    out
        The table to write, ``.parquet``; its columns are those of `lrp_domains.domain.Outcome`. Names of pictures are
        relative to the folder, or as the table has them.
    label_column
        The column of the table with the labels (None: ``label``, if there is one).
    key
        Identifies the model, for resuming.
    options
        ``shard``, ``part``, ``verify`` and ``progress``, as in `lrp_domains.domain.explain_parts`.

    Returns
    -------
    The number of pictures that an interrupted run had explained before.
    """
    files = read_set(pictures, SUFFIXES, label_column=label_column, unit="pictures")
    paths, labels = files.paths, files.labels
    targets = targets_of(target, len(paths), "pictures")

    def explain(rows: Sequence[int]) -> tuple[list[Outcome], list[dict[str, np.ndarray]]]:
        asked = [targets[row] for row in rows]
        results = explainer([paths[row] for row in rows], asked, against=against, reference=reference)
        named = _named(labels and [labels[row] for row in rows], explainer.classes) or [None] * len(rows)
        outcomes = [
            replace(result, name=files.names[row], label=label)
            for result, row, label in zip(results, rows, named, strict=True)
        ]
        return outcomes, [{"": result.pixels, "picture": result.picture} for result in results]

    states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()]
    request = repr((files.names, states, labels, targets, against, str(reference), explainer, explainer.classes, key))
    return explain_parts(explain, range(len(paths)), out, request=request, **options)


def _named(labels: Sequence[str] | None, classes: Sequence[str]) -> list[str] | None:
    """Return the names of classes for labels, which may be their numbers."""
    if not labels or not classes:  # the score is a function
        return labels
    known = {label: classes[class_number(label, classes, "label")] for label in dict.fromkeys(labels)}
    return [known[label] for label in labels]
