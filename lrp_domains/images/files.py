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
from .masks import read_mask
from .pictures import SUFFIXES, read_picture

Paths = str | Path | Sequence[str | Path]


def check_files(
    pictures: Paths,
    explainer: ImageExplainer,
    *,
    label_column: str | None = None,
    mask_column: str | None = None,
    **request: Any,
) -> dict:
    """Read all pictures, and their masks, and explain the smallest and the largest, before long work; return a summary.

    The arguments are those of `explain_files`. Raise `lrp_domains.domain.DomainError` if pictures can't be read, if a
    label is not that of a class, or if one of the two can't be explained.
    """
    files = read_set(pictures, SUFFIXES, label_column=label_column, file_column=mask_column, unit="pictures")
    notes, wrong, areas = Counter(), [], []
    for path, mask in zip(files.paths, files.beside or [None] * len(files.paths), strict=True):
        try:
            image, remarks = read_picture(path, "RGB", str(path))
            notes.update(remarks)
            areas.append(image.width * image.height)
            if mask is not None:
                read_mask(mask, image.size[::-1])
        except DomainError as error:
            wrong.append(str(error))
    if wrong:
        raise DomainError(f"{len(wrong)} of {len(files.paths)} pictures can't be read: {'; '.join(wrong[:5])}")
    extremes = list(dict.fromkeys((np.argmin(areas), np.argmax(areas))))
    targets = targets_of(request.pop("target", None), len(files.paths), "pictures")
    asked = [targets[row] for row in extremes]
    size = explainer([files.paths[row] for row in extremes], asked, **request)[-1].pixels.shape
    counts = Counter(_named(files.labels, explainer.classes) or ())
    return {"samples": len(files.paths), "labels": dict(counts), "notes": dict(notes), "size": size}


def explain_files(
    pictures: Paths,
    explainer: ImageExplainer,
    out: str | Path,
    *,
    label_column: str | None = None,
    mask_column: str | None = None,
    key: str = "",
    target: Any = None,
    against: str | int | None = None,
    reference: Any = None,
    **options: Any,
) -> int:
    """Explain pictures to a table, and to arrays next to it, ``.npz``; an interrupted run resumes.

    The array ``0`` is the relevance of the first picture, H x W, and ``0.picture`` what the model saw, H x W x 3;
    ``0.mask`` its mask, if masks were named, likewise as the model saw it.

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
    mask_column
        The column of the table with a file per picture (relative to the table) that has the number of each pixel's
        segment: a picture in grey or of a palette, such as ``.png``, or ``.npy``, of the size of the picture.
        `write_segments` sums the relevance of segments. None: no masks.
    key
        Identifies the model, for resuming.
    options
        ``shard``, ``part``, ``verify`` and ``progress``, as in `lrp_domains.domain.explain_parts`.

    Returns
    -------
    The number of pictures that an interrupted run had explained before.
    """
    files = read_set(pictures, SUFFIXES, label_column=label_column, file_column=mask_column, unit="pictures")
    paths, labels, masks = files.paths, files.labels, files.beside
    targets = targets_of(target, len(paths), "pictures")

    def explain(rows: Sequence[int]) -> tuple[list[Outcome], list[dict[str, np.ndarray]]]:
        asked = [targets[row] for row in rows]
        results = explainer([paths[row] for row in rows], asked, against=against, reference=reference)
        named = _named(labels and [labels[row] for row in rows], explainer.classes) or [None] * len(rows)
        outcomes = [
            replace(result, name=files.names[row], label=label)
            for result, row, label in zip(results, rows, named, strict=True)
        ]
        arrays = [{"": result.pixels, "picture": result.picture} for result in results]
        for row, several in zip(rows, arrays, strict=True) if masks else ():
            image, _ = read_picture(paths[row], "L", str(paths[row]))
            several["mask"] = explainer.as_seen(read_mask(masks[row], image.size[::-1]))
        return outcomes, arrays

    existing = [path for path in (*paths, *(masks or ())) if path.is_file()]
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in existing]
    request = repr((files.names, states, labels, targets, against, str(reference), explainer, explainer.classes, key))
    return explain_parts(explain, range(len(paths)), out, request=request, **options)


def _named(labels: Sequence[str] | None, classes: Sequence[str]) -> list[str] | None:
    """Return the names of classes for labels, which may be their numbers."""
    if not labels or not classes:  # the score is a function
        return labels
    known = {label: classes[class_number(label, classes, "label")] for label in dict.fromkeys(labels)}
    return [known[label] for label in labels]
