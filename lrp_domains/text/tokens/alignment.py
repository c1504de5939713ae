"""Where tokens stand in a text, for tokenizers that don't tell."""

from itertools import accumulate

import numpy as np


def align(text: str, pieces: list[str]) -> np.ndarray | None:
    """Find the tokens of a text, in order.

    Tokens may be the bytes of the text (ByT5), its characters (CANINE), or parts of it, with whitespace and case
    set aside.

    Returns
    -------
    Start and end of each piece in characters, n x 2, or None if they are not to be found.
    """
    return _bytes(text, pieces) if _is_bytes(text, pieces) else _parts(text, pieces)


def _is_bytes(text: str, pieces: list[str]) -> bool:
    encoded = text.encode()
    if len(encoded) != len(pieces) or not all(len(piece) == 1 and ord(piece) < 256 for piece in pieces):
        return False
    return bytes(map(ord, pieces)) == encoded


def _bytes(text: str, pieces: list[str]) -> np.ndarray:
    character = np.repeat(np.arange(len(text)), [len(one.encode()) for one in text])
    return np.stack([character, character + 1], axis=1)


def _parts(text: str, pieces: list[str]) -> np.ndarray | None:
    folded = [one.casefold() for one in text]
    where = dict(zip(accumulate(map(len, folded), initial=0), range(len(text) + 1), strict=True))
    whole, at, spans = "".join(folded), 0, []
    for piece in pieces:
        wanted = piece.casefold()
        while not whole.startswith(wanted, at) and at < len(whole) and whole[at].isspace():
            at += 1
        start, end = where.get(at), where.get(at + len(wanted))
        if start is None or end is None or not whole.startswith(wanted, at):
            return None
        spans.append((start, end))
        at += len(wanted)
    return np.array(spans, np.int64).reshape(-1, 2)
