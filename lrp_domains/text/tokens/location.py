"""Places in a text, as a user names them: a character, a span of characters, or some words of the text."""

import numpy as np

from ..errors import TextError, excerpt
from .encoding import Encoding
from .words import settle

At = int | str | tuple[int, int] | None


def span_of(at: At, text: str) -> tuple[int, int]:
    """Give the characters of a place, from and to."""
    if isinstance(at, str):
        start = text.find(at) if at else -1
        if start < 0:
            raise TextError(f"at={at!r} does not occur in {excerpt(text)}: copy the words as they stand there")
        if text.find(at, start + 1) >= 0:
            raise TextError(
                f"at={at!r} occurs more than once in {excerpt(text)}: give characters instead, such as "
                f"at=({start}, {start + len(at)})"
            )
        return start, start + len(at)
    if isinstance(at, int) and not isinstance(at, bool):
        at = (at, at + 1)
    if not (isinstance(at, tuple) and len(at) == 2 and all(isinstance(one, int) for one in at)):
        raise TextError(f"at={at!r}: a place is a character's number, a pair (start, end), or words of the text")
    start, end = at
    if not 0 <= start < end <= len(text):
        raise TextError(f"at={at!r}: {excerpt(text)} has the characters 0 to {len(text)}")
    return start, end


def tokens_at(at: At, encoding: Encoding, part: int = 0) -> np.ndarray:
    """Give the numbers of the tokens that cover a place of a text."""
    text = encoding.texts[part]
    start, end = span_of(at, text)
    if encoding.spans is None:
        raise TextError(f"at={at!r}: this tokenizer doesn't tell where its tokens stand in {excerpt(text)}")
    own = np.flatnonzero(encoding.part == part)
    spans = settle(encoding.spans[own], text)
    found = own[(spans[:, 0] < end) & (spans[:, 1] > start)]
    if not len(found):
        raise TextError(f"at={at!r}: the tokenizer has no token for {excerpt(text[start:end])}, or it was cut off")
    return found


def refuse_place(at: At, why: str) -> None:
    """Refuse a place where none makes sense."""
    if at is not None:
        raise TextError(f"at={at!r} names a place in the text, but {why}: leave it out")
