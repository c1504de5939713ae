"""Phrases that continue a text, tokenized in its context: as the tokenizer splits text and phrase together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import are_numbers, is_number
from ..errors import TextError, excerpt, listed
from .encoding import ADDED, Encoding, encode
from .spacing import with_space
from .special_tokens import frame_of, unknown_tokens
from .vocabulary import readable, spell


@dataclass(frozen=True)
class Phrase:
    """Tokens that continue a text, or that are an answer.

    Attributes
    ----------
    ids
        The n tokens.
    text
        What they spell.
    spans
        The characters of each token in it, n x 2.
    added
        Per token whether the tokenizer or the model added it to the phrase, as </s> behind an answer.
    replaces
        How many of the text's last tokens the first one replaces, because the tokenizer joins both.
    note
        What the user should know.
    """

    ids: tuple[int, ...]
    text: str
    spans: np.ndarray
    added: np.ndarray
    replaces: int = 0
    note: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def name(self) -> str:
        """The phrase as results name it."""
        return self.text.strip() or repr(self.text)[1:-1]


def spelled(tokenizer, ids: Sequence[int], before: Sequence[int] = ()) -> Phrase:
    """Return tokens as a phrase that follows others."""
    text, spans = spell(tokenizer, list(ids), list(before))
    if not text.strip() and len(ids) == 1:
        text = text or readable(tokenizer, ids[0])
        spans = np.array([[0, len(text)]])
    return Phrase(tuple(ids), text, spans, added=np.zeros(len(ids), bool))


def token_numbers(phrase: Any, tokenizer) -> list[int] | None:
    """Return a phrase that is given as the numbers of tokens; None for a string."""
    numbers = [phrase] if is_number(phrase) else phrase
    if not are_numbers(numbers):
        return None
    for number in numbers:
        if not 0 <= number < len(tokenizer):
            raise TextError(f"{number} is not a token: the tokenizer has 0 to {len(tokenizer) - 1}")
    return [int(number) for number in numbers]


def continuing(tokenizer, phrase: Any, encoding: Encoding, *, spaced: bool | None) -> Phrase:
    """Return the tokens of a phrase that continues a text.

    Parameters
    ----------
    tokenizer
        The model's tokenizer.
    phrase
        A string, the number of a token, or the numbers of several.
    encoding
        The text, without tokens that the tokenizer added behind it. It may have been cut at its beginning.
    spaced
        See `with_space`.
    """
    before = encoding.inputs["input_ids"].tolist()
    ids = token_numbers(phrase, tokenizer)
    if ids is not None:
        return spelled(tokenizer, ids, before)
    text = encoding.texts[0]
    together, start = _together(tokenizer, (text,), phrase, spaced=spaced, framed=encoding.framed)

    whole = encoding if encoding.kept is None else _encoded(tokenizer, (text,), encoding.framed)
    common = _common(whole, together)
    _refuse_unknown(tokenizer, together, phrase, common)
    return _after(tokenizer, together, common, phrase=phrase, replaces=len(whole) - common, start=start)


def at_mask(tokenizer, word: Any, encoding: Encoding, column: int, *, spaced: bool | None) -> int:
    """Return the token of a word at a mask, which follows what is written before the mask.

    Parameters
    ----------
    tokenizer, word, spaced
        As in `continuing`.
    encoding
        The text with masks.
    column
        The token that is the mask.
    """
    ids = token_numbers(word, tokenizer)
    if ids is None:
        ids = list(_at_mask(tokenizer, word, encoding, column, spaced).ids)
    if len(ids) != 1:
        pieces = ", ".join(repr(readable(tokenizer, number)) for number in ids)
        raise TextError(f"{word!r} is {len(ids)} tokens ({pieces}), but a mask stands for one: pass a single token")
    return ids[0]


def answer(tokenizer, phrase: Any, *, framed: bool | None) -> Phrase:
    """Return the tokens of an answer of an encoder-decoder, which begins its own text."""
    ids = token_numbers(phrase, tokenizer)
    if ids is not None:
        return spelled(tokenizer, ids)
    if not isinstance(phrase, str) or not phrase:
        raise TextError(f"expected an answer as a text that isn't empty, or the numbers of its tokens, got {phrase!r}")
    (encoding,) = encode(tokenizer, [(phrase,)], framed, answers=True)
    _refuse_unknown(tokenizer, encoding, phrase)
    ids, added = encoding.inputs["input_ids"].tolist(), encoding.part == ADDED
    if encoding.spans is None:
        text, spans = phrase, np.zeros((len(ids), 2), np.int64)
        text, spans[~added] = spell(tokenizer, [n for n, is_added in zip(ids, added, strict=True) if not is_added])
        return Phrase(tuple(ids), text, spans, added=added)
    return Phrase(tuple(ids), phrase, np.where(added[:, None], 0, encoding.spans), added=added)


def generated(tokenizer, ids: Sequence[int], front: Sequence[int], back: Sequence[int]) -> Phrase:
    """Return a generated answer; tokens of `front` and `back` at its ends frame it, others are part of it."""
    first, last = 0, len(ids)
    while first < last and ids[first] in front:
        first += 1
    while last > first and ids[last - 1] in back:
        last -= 1
    added = np.ones(len(ids), bool)
    added[first:last] = False
    spans = np.zeros((len(ids), 2), np.int64)
    text, spans[~added] = spell(tokenizer, list(ids[first:last]))
    return Phrase(tuple(ids), text, spans, added=added)


def without_end(tokenizer, encoding: Encoding) -> Encoding:
    """Return a text without the tokens that the tokenizer added behind it, such as </s>."""
    tokens = np.flatnonzero(encoding.part != ADDED)
    if len(tokens):
        return encoding.take(np.arange(tokens[-1] + 1))
    # Nothing separates what was added in front of an empty text from what was added behind it.
    front, _ = frame_of(tokenizer)
    return encoding.take(np.arange(len(front) if encoding.framed else 0))


def shortened(encoding: Encoding, replaced: int) -> Encoding:
    """Return a text without its last tokens, which a phrase replaces."""
    if not replaced:
        return encoding
    encoding = encoding.take(np.arange(len(encoding) - replaced))
    (start, _), tokens = encoding.ranges[-1], np.flatnonzero(encoding.part == len(encoding.texts) - 1)
    end = start if encoding.spans is None or not len(tokens) else int(encoding.spans[tokens[-1], 1])
    return replace(encoding, kept=(*encoding.ranges[:-1], (start, max(start, end))))


def _at_mask(tokenizer, word: Any, encoding: Encoding, column: int, spaced: bool | None) -> Phrase:
    mask, part = tokenizer.mask_token, int(encoding.part[column])
    # The mask is written as often before the place as there are tokens of it.
    ids = encoding.inputs["input_ids"][:column]
    count = int(((ids == tokenizer.mask_token_id) & (encoding.part[:column] == part)).sum())
    place = -1
    for _ in range(count + 1):
        place = encoding.texts[part].find(mask, place + 1)
    texts = (*encoding.texts[:part], encoding.texts[part][: max(place, 0)])
    together, start = _together(tokenizer, texts, word, spaced=spaced, framed=encoding.framed)

    common = _common(encoding.take(np.arange(column)), together)
    _refuse_unknown(tokenizer, together, word, common)
    lost = np.arange(common, column)
    joined = [] if encoding.spans is None else [encoding.texts[part][slice(*encoding.spans[t])] for t in lost]
    # A space before the mask joins a word there, but letters are other tokens than those that the model reads.
    if any(text.strip() for text in joined):
        raise TextError(
            f"the tokenizer joins {word!r} with what is before the mask, {''.join(joined)!r}: pass the number of a "
            "token, or another word"
        )
    return _after(tokenizer, together, common, phrase=word, replaces=0, start=start)


def _together(
    tokenizer, texts: tuple[str, ...], phrase: Any, *, spaced: bool | None, framed: bool
) -> tuple[Encoding, int]:
    """Return the encoding of a text and a phrase behind it, and where the phrase begins in it."""
    if not isinstance(phrase, str) or not phrase:
        raise TextError(f"expected a word or phrase to explain, or the numbers of its tokens, got {phrase!r}")
    whole = texts[-1] + with_space(tokenizer, texts[-1], phrase, spaced)
    return _encoded(tokenizer, (*texts[:-1], whole), framed), len(texts[-1])


def _encoded(tokenizer, texts: tuple[str, ...], framed: bool) -> Encoding:
    """Return texts without the tokens that the tokenizer adds behind them."""
    (encoding,) = encode(tokenizer, [texts], framed)
    return without_end(tokenizer, encoding)


def _common(first: Encoding, second: Encoding) -> int:
    """Return with how many tokens two encodings begin alike."""
    ids = [encoding.inputs["input_ids"] for encoding in (first, second)]
    length = min(map(len, ids))
    differ = np.flatnonzero((ids[0][:length] != ids[1][:length]) | (first.part[:length] != second.part[:length]))
    return int(differ[0]) if len(differ) else length


def _after(tokenizer, together: Encoding, common: int, *, phrase: str, replaces: int, start: int) -> Phrase:
    """Return the tokens of text and phrase that follow the first ones, in the characters of the phrase."""
    ids = together.inputs["input_ids"].tolist()
    before, ids = ids[:common], ids[common:]
    if not ids:
        raise TextError(f"{phrase!r} adds no token to the text")
    if together.spans is None:
        result, note = spelled(tokenizer, ids, before), None
        if replaces:
            note = (
                f"the tokenizer joins the end of the text and {excerpt(phrase)}: the phrase is explained as "
                f"{excerpt(result.text)}"
            )
        return replace(result, replaces=replaces, note=note)

    text, added = together.texts[-1], np.zeros(len(ids), bool)
    spans = together.spans[common:]
    if not replaces:
        return Phrase(tuple(ids), text[start:], np.maximum(spans - start, 0), added)
    inside = together.part[:common] == len(together.texts) - 1
    first = min(start, int(together.spans[:common][inside, 1].max(initial=0)))
    note = (
        f"the tokenizer joins {excerpt(text[first:start])} at the end of the text and {excerpt(phrase)}: the phrase is "
        f"explained as {excerpt(text[first:])}"
    )
    return Phrase(tuple(ids), text[first:], np.maximum(spans - first, 0), added, replaces, note)


def _refuse_unknown(tokenizer, encoding: Encoding, phrase: str, first: int = 0) -> None:
    """Raise if the vocabulary has no token for something in a phrase, whose tokens begin with the number `first`."""
    tokens = unknown_tokens(tokenizer, encoding)
    tokens = tokens[tokens >= first]
    if not len(tokens):
        return
    which = ""
    if encoding.spans is not None:
        which = f" ({listed(dict.fromkeys(map(encoding.written, tokens)), 5)})"
    raise TextError(f"{phrase!r} contains something that the model's vocabulary has no token for{which}")
