"""Places in a text, as a user names them: a character, a span of characters, or words of the text."""

from collections.abc import Sequence

import numpy as np

from ..arguments import is_number
from ..errors import TextError, excerpt
from .encoding import Encoding
from .words import settle

At = int | str | tuple[int, int] | None


def characters_at(at: At, text: str) -> tuple[int, int]:
    """Return the characters of a place, from and to."""
    if isinstance(at, str):
        return _characters_of_words(at, text)
    span = (at, at + 1) if is_number(at) else at
    if not (isinstance(span, tuple) and len(span) == 2 and all(is_number(end) for end in span)):
        raise TextError(f"at={at!r}: expected the number of a character, a pair (start, end), or words of the text")
    start, end = map(int, span)
    if not 0 <= start < end <= len(text):
        raise TextError(f"at={span!r}: {excerpt(text)} has {len(text)} characters, numbered from 0")
    return start, end


def _characters_of_words(words: str, text: str) -> tuple[int, int]:
    start = text.find(words) if words else -1
    if start < 0:
        raise TextError(f"at={words!r} does not occur in {excerpt(text)}: copy the words exactly as they are written")
    if text.find(words, start + 1) >= 0:
        raise TextError(
            f"at={words!r} occurs more than once in {excerpt(text)}: pass characters instead, such as "
            f"at=({start}, {start + len(words)})"
        )
    return start, start + len(words)


def part_with(at: At, texts: Sequence[str]) -> int:
    """Return the number of the only text that has some words; 0 for characters, and for words of both or neither."""
    parts = [number for number, text in enumerate(texts) if isinstance(at, str) and at in text]
    return parts[0] if len(parts) == 1 else 0


def tokens_at(at: At, encoding: Encoding, part: int = 0) -> np.ndarray:
    """Return the numbers of the tokens that cover a place of a text."""
    text = encoding.texts[part]
    start, end = characters_at(at, text)
    if encoding.spans is None:
        raise TextError(f"at={at!r}: this tokenizer doesn't report the places of its tokens in {excerpt(text)}")

    tokens = np.flatnonzero(encoding.part == part)
    spans = settle(encoding.spans[tokens], text)
    covering = tokens[(spans[:, 0] < end) & (spans[:, 1] > start)]
    if not len(covering):
        raise TextError(f"at={at!r}: the tokenizer has no token for {excerpt(text[start:end])}, or it was cut off")
    return covering


def refuse_location(at: At, why: str) -> None:
    """Raise if a place was given to a head that takes none."""
    if at is not None:
        raise TextError(f"at={at!r} is a place in the text, but {why}: leave it out")
