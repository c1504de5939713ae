"""Masks: the number of each pixel's segment, and the relevance of segments."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..domain import DomainError, arrays_of, read_outcomes, reason
from ..domain.files.arrays import reading_arrays
from ..domain.files.tsv import write_parts
from .pictures import open_picture

OF_PICTURES = ["sample", "name", "target", "against"]
COLUMNS = [*OF_PICTURES, "segment", "pixels", "relevance"]
MOST = 1000  # segments of a mask: each is transformed as the picture is


def read_mask(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return the mask of a picture of height and width `shape` from a picture in grey or of a palette, or ``.npy``."""
    if path.suffix == ".npy":
        try:
            mask = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DomainError(f"the mask '{path}' could not be read: {reason(error)}") from error
    else:
        image, _ = open_picture(path)
        if image.format in ("JPEG", "MPO", "WEBP"):
            raise DomainError(f"the mask '{path}' is a {image.format}, which may change numbers: save it as .png")
        mask = np.asarray(image)
    if mask.shape != shape:
        raise DomainError(f"the mask '{path}' has shape {mask.shape}, but the picture {shape}: one number per pixel")
    return checked(mask, f"the mask '{path}'")


def checked(mask: np.ndarray, what: str = "the mask") -> np.ndarray:
    """Return a mask; raise unless it has whole numbers, H x W."""
    if mask.ndim != 2 or not mask.size:
        raise DomainError(f"{what} has shape {mask.shape}; expected H x W, at least 1 x 1")
    if mask.dtype.kind not in "biu":
        raise DomainError(f"{what} is of {mask.dtype}: save the number of each pixel's segment, integers")
    if (segments := len(np.unique(mask))) > MOST:
        raise DomainError(f"{what} has {segments:,} segments; at most {MOST:,} are transformed: merge small ones")
    return mask


def sums(pixels: np.ndarray, mask: np.ndarray) -> pd.DataFrame:
    """Return the ``relevance`` of each segment, and the number of its ``pixels``; the index has the segments."""
    numbers, places, counts = np.unique(mask, return_inverse=True, return_counts=True)
    relevance = np.bincount(places.ravel(), pixels.ravel())
    return pd.DataFrame({"pixels": counts, "relevance": relevance}, pd.Index(numbers, name="segment"))


def write_segments(explained: str | Path, out: str | Path) -> None:
    """Write the relevance of each segment of each picture of a set that was explained with masks.

    Parameters
    ----------
    explained
        The table that `explain_set` wrote with a ``mask_column``.
    out
        The table to write, ``.tsv``: per picture and segment, the explained class and the one it is contrasted
        with, the number of pixels, as the model saw them, and the sum of their relevance.
    """
    rows = read_outcomes(explained)[OF_PICTURES].to_dict("records")
    with reading_arrays(arrays_of(explained)) as read:
        try:
            read(f"{rows[0]['sample']}.mask")
        except DomainError:
            raise DomainError(f"'{explained}' has no masks: explain the set with mask_column (--mask-column)") from None
        of_rows = (sums(read(str(row["sample"])), read(f"{row['sample']}.mask")) for row in rows)
        parts = (part.reset_index().assign(**row) for part, row in zip(of_rows, rows, strict=True))
        write_parts(parts, COLUMNS, out)
