"""The places of tokens in a text, for tokenizers that report no character offsets."""

from itertools import accumulate

import numpy as np


def align(text: str, pieces: list[str]) -> np.ndarray | None:
    """Find the tokens of a text, in order.

    Tokens may be the bytes of the text (ByT5), its characters (CANINE), or substrings of it, ignoring whitespace and
    case.

    Returns
    -------
    Start and end of each piece in characters, n x 2, or None if they can't be found.
    """
    return _align_bytes(text) if _is_bytes(text, pieces) else _align_substrings(text, pieces)


def _is_bytes(text: str, pieces: list[str]) -> bool:
    encoded = text.encode()
    if len(encoded) != len(pieces) or not all(len(piece) == 1 and ord(piece) < 256 for piece in pieces):
        return False
    return bytes(map(ord, pieces)) == encoded


def _align_bytes(text: str) -> np.ndarray:
    character = np.repeat(np.arange(len(text)), [len(letter.encode()) for letter in text])
    return np.stack([character, character + 1], axis=1)


def _align_substrings(text: str, pieces: list[str]) -> np.ndarray | None:
    # Folding case may lengthen a character (ß becomes ss), so the search runs in the folded text, and boundaries of
    # its characters are mapped back.
    letters = [letter.casefold() for letter in text]
    folded = "".join(letters)
    boundary = dict(zip(accumulate(map(len, letters), initial=0), range(len(text) + 1), strict=True))

    position, spans = 0, []
    for piece in map(str.casefold, pieces):
        while not folded.startswith(piece, position) and position < len(folded) and folded[position].isspace():
            position += 1
        start, end = boundary.get(position), boundary.get(position + len(piece))
        if start is None or end is None or not folded.startswith(piece, position):
            return None
        spans.append((start, end))
        position += len(piece)
    return np.array(spans, np.int64).reshape(-1, 2)
