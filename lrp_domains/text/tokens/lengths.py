"""Long texts: windows that slide over them, or what is left when they are cut.

A window is a choice of a text's tokens, so that everything known of a token (its numbers, its place in the
text) holds in each window. All windows keep the tokens that the tokenizer added, and the first text of a pair.
"""

from dataclasses import replace

import numpy as np

from ..errors import TextError, excerpt
from .encoding import Encoding


def windows(encoding: Encoding, length: int, stride: int = 0) -> list[np.ndarray]:
    """Cut a text into windows of at most ``length`` tokens.

    Parameters
    ----------
    encoding
        A text, or a pair, in which case windows slide over the second.
    length
        The most tokens of a window, added ones included.
    stride
        How many tokens neighbouring windows share (transformers' own word for it).

    Returns
    -------
    For each window the numbers of its tokens, ascending.
    """
    if len(encoding) <= length:
        return [np.arange(len(encoding))]
    slides = encoding.part == len(encoding.texts) - 1
    sliding, kept = np.flatnonzero(slides), np.flatnonzero(~slides)
    room = length - len(kept)
    if not len(sliding) or room < 1:
        raise TextError(
            f"a window of {length} tokens has no room for {excerpt(encoding.texts[-1])} beside {len(kept)} tokens that "
            "every window holds: use a longer window or a shorter first text"
        )
    if not 0 <= stride < room:
        raise TextError(f"stride={stride}: windows of {room} tokens can share 0 to {room - 1}")
    starts = np.arange(0, max(len(sliding) - stride, 1), room - stride)
    return [np.union1d(kept, sliding[start : start + room]) for start in starts]


def cut(encoding: Encoding, length: int, side: str = "right") -> tuple[Encoding, str]:
    """Cut a text to its first (``side="right"``) or last tokens, and say in words what was cut off."""
    whole = len(encoding)
    slides = np.flatnonzero(encoding.part == len(encoding.texts) - 1)
    room = length - (whole - len(slides))
    if room < 1 or not len(slides):
        windows(encoding, length)  # says what is wrong
    lost = slides[room:] if side == "right" else slides[: len(slides) - room]
    kept = np.setdiff1d(np.arange(whole), lost)
    note = f"the {'last' if side == 'right' else 'first'} {len(lost)} of {whole} tokens were cut off"
    ends = [(0, len(text)) for text in encoding.texts]
    if encoding.spans is not None:
        start, end = int(encoding.spans[lost, 0].min()), int(encoding.spans[lost, 1].max())
        text = encoding.texts[-1]
        note += f" (characters {start} to {end} of {len(text)}, {excerpt(text[start:end])})"
        ends[-1] = (0, start) if side == "right" else (end, len(text))
    return replace(take(encoding, kept), read=tuple(ends)), note


def take(encoding: Encoding, pick: np.ndarray) -> Encoding:
    """Some of a text's tokens."""
    return replace(
        encoding,
        inputs={name: values[pick] for name, values in encoding.inputs.items()},
        pieces=tuple(encoding.pieces[i] for i in pick),
        spans=None if encoding.spans is None else encoding.spans[pick],
        part=encoding.part[pick],
    )
