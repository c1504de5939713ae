"""The places of tokens in a text, for tokenizers that report no character offsets.

Tokens are searched for in order, without the marks that tokenizers write for a word's beginning, continuation or end.
What the tokenizer replaced, such as an unknown word, lies between its neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_AHEAD = 2  # tokens that must follow where a search resumes
_SKIPPED = 8  # known tokens that a search may pass over
_REPLACED = 200  # characters that a known token may stand for if it is spelled differently


def align(text: str, pieces: Sequence[str], unknown: Sequence[bool] = ()) -> np.ndarray | None:
    """Find the tokens of a text, in order.

    Parameters
    ----------
    text
        Any string.
    pieces
        The tokenizer's strings: bytes of the text (ByT5), its characters (CANINE), or parts of it with the marks of
        WordPiece (``##``), BPE (``@@``, ``</w>``) or SentencePiece (``▁``). Case, compatibility forms, accents,
        whitespace and control characters may differ from the text's.
    unknown
        Which pieces stand for something that is not in the vocabulary; () for none.

    Returns
    -------
    Start and end of each piece in characters, n x 2, or None if fewer than half of the known pieces can be found.
    """
    unknown = tuple(unknown) or (False,) * len(pieces)
    best = None
    for fold in _FOLDS:
        search = _Search.over(text, pieces, unknown, fold)
        spans, found = search.run()
        if best is None or found > best[1]:
            best = spans, found
        if found == search.known:
            break
    spans, found = best
    return None if 2 * found < search.known else spans


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold()


def _without_accents(text: str) -> str:
    return "".join(letter for letter in _decomposed(text) if unicodedata.category(letter) != "Mn")


_FOLDS = (str.casefold, _decomposed, _without_accents)


@dataclass(frozen=True)
class _Search:
    """A search in the folded text: folding may lengthen a character (ß becomes ss), so each has an `owner`.

    Attributes
    ----------
    text, folded
        The text, and the text in which pieces are searched for.
    owner
        The number of the character of the text behind each character of the folded text.
    forms
        Per piece the strings that it may be in the folded text.
    codes
        Per piece the byte that it may be; None for longer pieces.
    unknown
        Whether a piece stands for something that is not in the vocabulary.
    """

    text: str
    folded: str
    owner: list[int]
    forms: list[tuple[str, ...]]
    codes: list[int | None]
    unknown: tuple[bool, ...]

    @classmethod
    def over(cls, text: str, pieces: Sequence[str], unknown: tuple[bool, ...], fold: Callable[[str], str]) -> _Search:
        """Return the search for pieces in a text, both folded by the same function."""
        letters = [fold(letter) for letter in text]
        owner = [number for number, letter in enumerate(letters) for _ in letter]
        forms = [tuple(map(fold, _forms(piece))) for piece in pieces]
        return cls(text, "".join(letters), owner, forms, [_code(piece) for piece in pieces], unknown)

    @property
    def known(self) -> int:
        """How many pieces are in the vocabulary."""
        return len(self.unknown) - sum(self.unknown)

    def run(self) -> tuple[np.ndarray, int]:
        """Return the span of each piece, and how many known pieces were found."""
        spans: list[tuple[int, int]] = []
        position = found = 0
        while len(spans) < len(self.forms):
            match = self._match(len(spans), position)
            if match is None:
                number, start = self._resume(len(spans), position)
                spans += self._shared(number - len(spans), position, start)
                position = start
                continue
            places, position = match
            spans += places
            found += len(places)
        return np.array(spans, np.int64).reshape(-1, 2), found

    def _match(self, number: int, position: int) -> tuple[list[tuple[int, int]], int] | None:
        """Return the spans of the piece here, or of the bytes of one character, and the position after them."""
        if number == len(self.forms) or self.unknown[number]:
            return None
        while True:
            if (places := self._bytes(number, position)) is not None:
                after = position
                while after < len(self.folded) and self.owner[after] == self.owner[position]:
                    after += 1
                return places, after
            for form in self.forms[number]:
                if self.folded.startswith(form, position):
                    return [self._characters(position, position + len(form))], position + len(form)
            if position == len(self.folded) or not _is_blank(self.folded[position]):
                return None
            position += 1

    def _bytes(self, number: int, position: int) -> list[tuple[int, int]] | None:
        """Return the span of one character for each of its bytes, if the pieces from here are its bytes."""
        if self.codes[number] is None or position == len(self.folded):
            return None
        character = self.owner[position]
        encoded = self.text[character].encode()
        if len(encoded) == 1 or list(encoded) != self.codes[number : number + len(encoded)]:
            return None
        return [(character, character + 1)] * len(encoded)

    def _characters(self, start: int, end: int) -> tuple[int, int]:
        """Return the span in the text of a span in the folded text."""
        if start == end:
            place = self.owner[start] if start < len(self.owner) else len(self.text)
            return place, place
        return self.owner[start], self.owner[end - 1] + 1

    def _resume(self, number: int, position: int) -> tuple[int, int]:
        """Return the next piece that is found again, and its position; the end of both if there is none."""
        while position < len(self.folded) and _is_blank(self.folded[position]):
            position += 1
        skipped = 0
        for later in range(number, len(self.forms)):
            if self.unknown[later]:
                continue
            # An unknown piece stands for at least one character, a piece that is spelled differently for few.
            if later > number:
                is_unknown = self.unknown[later - 1]
                for start in self._occurrences(later, position + is_unknown):
                    if not is_unknown and start - position > _REPLACED:
                        break
                    if self._continues(later, start):
                        return later, start
            skipped += 1
            if skipped > _SKIPPED:
                break
        return len(self.forms), len(self.folded)

    def _occurrences(self, number: int, position: int) -> Iterator[int]:
        """Yield the positions of a piece from a position on."""
        forms = [form for form in self.forms[number] if form]
        while forms:
            starts = [start for form in forms if (start := self.folded.find(form, position)) >= 0]
            if not starts:
                return
            yield min(starts)
            position = min(starts) + 1

    def _continues(self, number: int, position: int) -> bool:
        """Return whether the pieces after this one are found after it, up to the next unknown one."""
        for _ in range(_AHEAD + 1):
            match = self._match(number, position)
            if match is None:
                return number == len(self.forms) or self.unknown[number]
            places, position = match
            number += len(places)
        return True

    def _shared(self, count: int, start: int, end: int) -> list[tuple[int, int]]:
        """Return the spans of pieces that lie in a part of the folded text: a word or character each, else all."""
        first, last = self._characters(start, end)
        for pattern in (r"\S+", r"\w+|[^\w\s]+", r"\S"):
            matches = re.finditer(pattern, self.text[first:last])
            words = [(first + match.start(), first + match.end()) for match in matches]
            if len(words) == count:
                return words
        return [(words[0][0], words[-1][1]) if words else (first, first)] * count


def _forms(piece: str) -> tuple[str, ...]:
    """Return the strings that a piece may be in a text: without the mark of a tokenizer, or unchanged."""
    plain = piece.removesuffix("@@").removesuffix("</w>")
    plain = plain.removeprefix("##") if len(plain) > 2 else plain
    if match := _BYTE.fullmatch(piece):
        plain = chr(int(match[1], 16))
    plain = plain.removeprefix("▁").replace("▁", " ")
    if not plain:
        return piece, plain
    return (plain,) if plain == piece else (plain, piece)


def _code(piece: str) -> int | None:
    if match := _BYTE.fullmatch(piece):
        return int(match[1], 16)
    return ord(piece) if len(piece) == 1 and ord(piece) < 256 else None


def _is_blank(letter: str) -> bool:
    """Return whether tokenizers drop a character: whitespace, control, format and private characters."""
    return letter.isspace() or letter == "\ufffd" or unicodedata.category(letter)[0] == "C"
