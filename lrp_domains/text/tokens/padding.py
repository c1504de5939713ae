"""Rows of one length: padding that a text's relevance must not notice."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def pad(
    rows: Sequence[Mapping[str, np.ndarray]], fill: Mapping[str, int], side: str, device: torch.device
) -> tuple[dict[str, Tensor], np.ndarray]:
    """Put rows into one tensor for each name.

    Parameters
    ----------
    rows
        For each row its numbers by name, all of the row's length.
    fill
        What stands at a padded place, by name; 0 for names that aren't there.
    side
        ``"right"`` or ``"left"``.
    device
        Where the tensors shall be.

    Returns
    -------
    tensors
        By name, B x T.
    first
        For each row the column of its first token.
    """
    tensors, first = {}, np.zeros(len(rows), np.int64)
    for name in rows[0]:
        lengths = np.array([len(row[name]) for row in rows])
        # A decoder starts at the first column, whatever side its encoder is padded on.
        left = side == "left" and not name.startswith("decoder")
        starts = lengths.max() - lengths if left else np.zeros(len(rows), np.int64)
        padded = np.full((len(rows), lengths.max(), *rows[0][name].shape[1:]), fill.get(name, 0), np.int64)
        for number, row in enumerate(rows):
            padded[number, starts[number] : starts[number] + lengths[number]] = row[name]
        tensors[name] = torch.from_numpy(padded).to(device)
        first = starts if name == "input_ids" else first
    return tensors, first


def exact_side(explained: Callable[[bool, str], np.ndarray], close: float) -> str | None:
    """Find the side on which padding leaves the relevance of a text alone, by trying.

    What a tokenizer says of itself doesn't tell: decoders with absolute positions need the right, models that read
    the last column need the left, and some can't be padded at all.

    Parameters
    ----------
    explained
        Gives the relevance of a row's tokens, alone (False) or beside a longer row (True), padded on a side.
    close
        Up to what share of the largest relevance two numbers count as the same.

    Returns
    -------
    ``"right"``, ``"left"``, or None.
    """
    alone = explained(False, "right")
    for side in ("right", "left"):
        try:
            beside = explained(True, side)
        except (ValueError, IndexError, RuntimeError):  # such as a classifier that knows no padding token
            continue
        if np.abs(beside - alone).max() <= close * np.abs(alone).max():
            return side
    return None
