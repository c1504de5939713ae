"""Rows padded to one length, which must not change a text's relevance."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor


def pad(
    rows: Sequence[Mapping[str, np.ndarray]],
    fill: Mapping[str, int],
    *,
    side: str,
    device: torch.device,
    least: Mapping[str, int] = MappingProxyType({}),
) -> tuple[dict[str, Tensor], np.ndarray]:
    """Collect rows in one tensor per name.

    Parameters
    ----------
    rows
        Per row its numbers by name, all of the row's length.
    fill
        The number for padding, by name; 0 for missing names.
    side
        ``"right"`` or ``"left"``.
    device
        The device of the tensors.
    least
        The smallest number of columns, by name; the longest row if that is missing.

    Returns
    -------
    tensors
        By name, B x T.
    first
        Per row the column of its first token.
    """
    tensors, first = {}, np.zeros(len(rows), np.int64)
    for name in rows[0]:
        lengths = np.array([len(row[name]) for row in rows])
        columns = max(lengths.max(), least.get(name, 0))
        # A decoder starts at the first column, whatever side its encoder is padded on.
        left = side == "left" and not name.startswith("decoder")
        starts = columns - lengths if left else np.zeros(len(rows), np.int64)

        padded = np.full((len(rows), columns, *rows[0][name].shape[1:]), fill.get(name, 0), np.int64)
        for number, row in enumerate(rows):
            padded[number, starts[number] : starts[number] + lengths[number]] = row[name]
        tensors[name] = torch.from_numpy(padded).to(device)
        first = starts if name == "input_ids" else first
    return tensors, first


def exact_side(explained: Callable[[bool, str], np.ndarray], close: float) -> str | None:
    """Determine by trial the side on which padding doesn't change the relevance of a text.

    A tokenizer's setting doesn't determine it: decoders with absolute positions require the right, models that read the
    last column the left, and some can't be padded at all.

    Parameters
    ----------
    explained
        Returns the relevance of a row's tokens, alone (False) or in a batch with a longer row (True), padded on a side.
    close
        Up to which share of the largest relevance two numbers count as equal.

    Returns
    -------
    ``"right"``, ``"left"``, or None.
    """
    alone = explained(False, "right")
    for side in ("right", "left"):
        try:
            beside = explained(True, side)
        except (ValueError, IndexError, RuntimeError):  # such as a classifier without a padding token
            continue
        if np.abs(beside - alone).max() <= close * np.abs(alone).max():
            return side
    return None
