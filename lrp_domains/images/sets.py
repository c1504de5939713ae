"""Sets of pictures checked, and explained to files in parts that resume."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..domain import DomainError, SampleSet
from ..domain.files.sets import SampleFiles, read_set
from .explainer import ImageExplainer
from .masks import read_mask
from .pictures import SUFFIXES, read_picture
from .relevance import ImageRelevance

Paths = str | Path | Sequence[str | Path]


def check_set(
    explainer: ImageExplainer,
    pictures: Paths,
    *,
    label_column: str | None = None,
    mask_column: str | None = None,
    target: Any = None,
    against: str | int | None = None,
    reference: Any = None,
) -> dict[str, Any]:
    """Read all pictures, and their masks, and explain the smallest and the largest, before long work; return a summary.

    The arguments are those of `explain_set`. Raise `lrp_domains.domain.DomainError` if pictures can't be read, if a
    label or a target is not that of a class, or if one of the two can't be explained.
    """
    files = files_of_set(pictures, label_column, mask_column)
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
    results, summary = _set_of(explainer, files, target, against, reference).check(extremes)
    return summary | {"notes": dict(notes), "size": results[-1].pixels.shape}


def explain_set(
    explainer: ImageExplainer,
    pictures: Paths,
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
    explainer, target, against, reference
        As in a call of the explainer.
    pictures
        A folder; a table, ``.csv`` or ``.tsv``, with a column ``path`` (relative to the table); or paths.
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
        Identifies the model's weights, for resuming; without one, they are hashed.
    options
        ``shard``, ``part``, ``verify`` and ``progress``, as in `lrp_domains.domain.explain_parts`.

    Returns
    -------
    The number of pictures that an interrupted run had explained before.
    """
    files = files_of_set(pictures, label_column, mask_column)

    def arrays(rows: Sequence[int], results: Sequence[ImageRelevance]) -> list[dict[str, np.ndarray]]:
        several = [{"": result.pixels, "picture": result.picture} for result in results]
        for row, of_picture in zip(rows, several, strict=True) if files.beside else ():
            image, _ = read_picture(files.paths[row], "L", str(files.paths[row]))
            of_picture["mask"] = explainer.as_seen(read_mask(files.beside[row], image.size[::-1]))
        return several

    reference = explainer.reference if reference is None else reference
    several = reference if isinstance(reference, list | tuple) else [reference]
    references = [Path(each) if isinstance(each, str) else each for each in several]  # of a file, its state counts
    request = (files.paths, files.beside, explainer.preparation, references)
    of_set = _set_of(explainer, files, target, against, reference)
    return of_set.explain_to(out, arrays, request=request, key=key, **options)


def files_of_set(pictures: Paths, label_column: str | None, mask_column: str | None) -> SampleFiles:
    """Return the files of a set's pictures, with their labels and masks as far as columns are named."""
    return read_set(pictures, SUFFIXES, label_column=label_column, file_column=mask_column, unit="pictures")


def _set_of(explainer: ImageExplainer, files: SampleFiles, target: Any, against: Any, reference: Any) -> SampleSet:
    def explain(rows: Sequence[int], targets: list[Any]) -> Sequence[ImageRelevance]:
        return explainer([files.paths[row] for row in rows], targets, against=against, reference=reference)

    return SampleSet(explainer.tensors, explain, files.names, files.labels, target, against)
