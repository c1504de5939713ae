"""Tokens of a language model by what they spell."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np


def spell(tokenizer, ids: list[int], before: list[int] | None = None) -> tuple[str, np.ndarray]:
    """Return the text that tokens spell after others, and the span of characters of each, n x 2.

    A token that is only part of a character has the span of that character.
    """
    before = list(before or [])[-_BEFORE:]
    start = _decode(tokenizer, before) if before else ""
    text = _decode(tokenizer, before + ids)
    if text.startswith(start):
        text = text[len(start) :]
    else:
        before, start, text = [], "", _decode(tokenizer, ids)

    # Tokens may be bytes of one character, so a prefix is decoded anew with each token, and ends where it departs
    # from the whole text.
    spans, end = [], 0
    for count in range(1, len(ids) + 1):
        prefix = _decode(tokenizer, before + ids[:count])[len(start) :]
        pairs = enumerate(zip(prefix, text, strict=False))
        common = next((i for i, (a, b) in pairs if a != b), min(len(prefix), len(text)))
        common = len(text) if count == len(ids) else max(end, common)
        is_part = common == end and len(prefix) > common and common < len(text)
        spans.append((end, end + 1 if is_part else common))
        end = common
    return text, np.array(spans, np.int64).reshape(-1, 2)


_BEFORE = 16  # tokens before, which decide how the first ones are spelled


def readable(tokenizer, number: int) -> str:
    """Return a token as a user reads it: what it spells; whitespace as signs, part of a character as its bytes."""
    text = _decode(tokenizer, [number])
    if not text:
        return readable_piece(pieces_of(tokenizer, [number])[0])
    if "\ufffd" in text and (code := _bytes(tokenizer, number)):
        return code
    return text if text.strip() else text.translate(_SIGNS)


_SIGNS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥"})


def readable_piece(piece: str) -> str:
    """Return a tokenizer's string as a user reads it if it covers no character: a mark of whitespace as its sign."""
    return piece.replace("▁", "␣").replace("Ġ", "␣").replace("Ċ", "⏎").replace("ĉ", "⇥")


def _bytes(tokenizer, number: int) -> str:
    """Return the bytes of a token of a byte-level vocabulary, such as "<0xF0><0x9F>"; nothing for other tokens."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    byte = {letter: code for code, letter in bytes_to_unicode().items()}
    (piece,) = pieces_of(tokenizer, [number])
    if piece.startswith("<0x"):
        return piece
    return "".join(f"<0x{byte[letter]:02X}>" for letter in piece) if all(letter in byte for letter in piece) else ""


def pieces_of(tokenizer, ids: Sequence[int]) -> list[str]:
    """Return the tokenizer's strings; ``<12>`` for a number without a token, as a model with more rows predicts it."""
    return [f"<{number}>" if piece is None else str(piece) for number, piece in _numbered(tokenizer, ids)]


def _numbered(tokenizer, ids: Sequence[int]) -> list[tuple[int, str | None]]:
    """Return each number with the tokenizer's string; None if it has none."""
    try:
        return list(zip(ids, tokenizer.convert_ids_to_tokens(list(ids)), strict=True))
    except IndexError:  # some tokenizers in Python raise, for all numbers if one has no token
        return [(ids[0], None)] if len(ids) == 1 else [pair for n in ids for pair in _numbered(tokenizer, [n])]


def _decode(tokenizer, ids: Sequence[int]) -> str:
    options = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    numbered = _numbered(tokenizer, ids)
    if all(piece is not None for _, piece in numbered):
        return tokenizer.decode(list(ids), **options)
    runs = groupby(numbered, key=lambda pair: pair[1] is None)
    texts = []
    for lacks, pairs in runs:
        numbers = [number for number, _ in pairs]
        texts += [f"<{number}>" for number in numbers] if lacks else [tokenizer.decode(numbers, **options)]
    return "".join(texts)
