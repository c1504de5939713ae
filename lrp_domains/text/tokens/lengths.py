"""Long texts: how many tokens a model reads, windows that slide over a longer text, or what is left if it is cut.

A window is a choice of a text's tokens, so everything known about a token (its numbers, its place in the text) stays
true in each window. All windows keep the tokens that the tokenizer added, and the first text of a pair.
"""

from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from ..errors import TextError, excerpt
from .encoding import ADDED, Encoding

_NO_LIMIT = 10**9  # tokenizers without a limit report a number beyond this


@dataclass(frozen=True)
class Fitted:
    """A text that the model can read: its encoding, the tokens of each window, and what the user should know."""

    encoding: Encoding
    windows: list[np.ndarray]
    note: str | None = None
    was_cut: bool = False


@dataclass(frozen=True)
class LengthLimit:
    """How many tokens a text may have, and what happens to a longer one.

    Attributes
    ----------
    most
        The largest number of tokens per text or window; None for no limit.
    long
        ``"windows"``, ``"truncate"``, ``"error"``, or None: windows if the head allows, else an error.
    stride
        How many tokens neighbouring windows share.
    in_windows
        Whether the head can average the scores of windows.
    cut_side
        Which end may be cut off, ``"right"`` or ``"left"``.
    """

    most: int | None
    long: str | None = None
    stride: int = 0
    in_windows: bool = False
    cut_side: str = "right"

    def fit(self, encoding: Encoding, room: int = 0) -> Fitted:
        """Return a text unchanged if it fits, else in windows or cut; raise if neither is chosen.

        A text that is cut leaves `room` for tokens that continue it.
        """
        if not len(encoding):
            raise TextError(
                f"{excerpt(encoding.texts[0])} has no tokens, as this tokenizer adds none: leave empty texts out"
            )
        if self.most is None or len(encoding) <= self.most - room:
            return Fitted(encoding, [np.arange(len(encoding))])

        long = self.long or ("windows" if self.in_windows else "error")
        if long == "windows" and self.in_windows:
            picks = windows(encoding, self.most, self.stride)
            return Fitted(encoding, picks, f"read in {len(picks)} windows of at most {self.most} tokens")
        if long == "truncate":
            if room and self.most - room <= (encoding.part == ADDED).sum():
                raise TextError(
                    f"the phrase to explain has {room + 1} tokens, which leaves no room for a text in the {self.most} "
                    "that the model reads at once: shorten it"
                )
            encoding, note = cut(encoding, self.most - room, self.cut_side)
            return Fitted(encoding, [np.arange(len(encoding))], note, was_cut=True)

        advice = "long='windows' or long='truncate'" if self.in_windows else "long='truncate'"
        raise TextError(
            f"{excerpt(encoding.texts[-1])} has {len(encoding)} tokens, but the model reads {self.most} at once: "
            f"shorten it, or pass {advice}"
        )


def longest(model: nn.Module, tokenizer) -> int | None:
    """Return the largest number of tokens that a model reads, added ones included, or None if no limit is known."""
    limits = [getattr(tokenizer, "model_max_length", None), _positions(model)]
    limits = [limit for limit in limits if isinstance(limit, int) and 0 < limit < _NO_LIMIT]
    return min(limits, default=None)


def _positions(model: nn.Module) -> int | None:
    config = model.config
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if not isinstance(positions, int):
        return None
    for module in model.modules():
        # RoBERTa and its relatives count positions from after that of padding.
        if isinstance(module, nn.Embedding) and module.num_embeddings == positions and module.padding_idx is not None:
            return positions - module.padding_idx - 1
    return positions


def windows(encoding: Encoding, length: int, stride: int = 0) -> list[np.ndarray]:
    """Split a text into windows of at most `length` tokens.

    Parameters
    ----------
    encoding
        A text, or a pair, in which case windows slide over the second.
    length
        The largest number of tokens per window, added ones included.
    stride
        How many tokens neighbouring windows share (transformers' word for it).

    Returns
    -------
    Per window the numbers of its tokens, ascending.
    """
    if len(encoding) <= length:
        return [np.arange(len(encoding))]

    sliding, fixed, room = _sliding(encoding, length)
    if not 0 <= stride < room:
        raise TextError(f"stride={stride}: windows of {room} tokens can share 0 to {room - 1}")
    starts = np.arange(0, max(len(sliding) - stride, 1), room - stride)
    return [np.union1d(fixed, sliding[start : start + room]) for start in starts]


def cut(encoding: Encoding, length: int, side: str = "right") -> tuple[Encoding, str]:
    """Cut a text to its first (``side="right"``) or last tokens; return it with a note of what was cut off."""
    sliding, _, room = _sliding(encoding, length)
    lost = sliding[room:] if side == "right" else sliding[: len(sliding) - room]
    kept = np.setdiff1d(np.arange(len(encoding)), lost)
    note = f"the {'last' if side == 'right' else 'first'} {len(lost)} of {len(encoding)} tokens were cut off"

    ranges = [(0, len(text)) for text in encoding.texts]
    if encoding.spans is not None:
        start, end = int(encoding.spans[lost, 0].min()), int(encoding.spans[lost, 1].max())
        text = encoding.texts[-1]
        note += f" (characters {start} to {end} of {len(text)}, {excerpt(text[start:end])})"
        ranges[-1] = (0, start) if side == "right" else (end, len(text))
    return replace(encoding.take(kept), kept=tuple(ranges)), note


def _sliding(encoding: Encoding, length: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the tokens that windows slide over, those that all windows keep, and how many of the first fit."""
    slides = encoding.part == len(encoding.texts) - 1
    sliding, fixed = np.flatnonzero(slides), np.flatnonzero(~slides)
    room = length - len(fixed)
    if not len(sliding) or room < 1:
        raise TextError(
            f"a window of {length} tokens has no room for {excerpt(encoding.texts[-1])} in addition to the "
            f"{len(fixed)} tokens that every window keeps: use a longer window or a shorter first text"
        )
    return sliding, fixed, room
