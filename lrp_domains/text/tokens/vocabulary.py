"""Tokens of a language model by what they spell, and back."""

from numbers import Integral

import numpy as np
import regex

from ..errors import TextError

# A word that begins with one of these is separated from the text before it by a space.
_SPACED = regex.compile(
    r"[[\p{L}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]", regex.V1
)


def continued(text: str, phrase: str) -> str:
    """Return a phrase as it is written after a text: with a space before it, unless there is one already."""
    if text and not text[-1].isspace() and _SPACED.match(phrase):
        return " " + phrase
    return phrase


def phrase_ids(tokenizer, phrase: object, text: str) -> list[int]:
    """Return the tokens of a phrase that continues a text, or the token itself if a number is given."""
    if isinstance(phrase, Integral) and not isinstance(phrase, bool):
        if not 0 <= phrase < len(tokenizer):
            raise TextError(f"{phrase} is not a token: the tokenizer has 0 to {len(tokenizer) - 1}")
        return [int(phrase)]
    if not isinstance(phrase, str) or not phrase:
        raise TextError(f"expected the number of a token, or a word or phrase to explain, got {phrase!r}")

    ids = tokenizer(continued(text, phrase), add_special_tokens=False, verbose=False)["input_ids"]
    if not ids:
        raise TextError(f"{phrase!r} has no tokens")
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in ids:
        raise TextError(f"{phrase!r} contains something that the model's vocabulary has no token for")
    return ids


def single_id(tokenizer, word: object, text: str) -> int:
    """Return the token of a word that must be a single one."""
    ids = phrase_ids(tokenizer, word, text)
    if len(ids) != 1:
        pieces = ", ".join(repr(tokenizer.decode([number])) for number in ids)
        raise TextError(f"{word!r} is {len(ids)} tokens ({pieces}), but a mask stands for one: pass a single token")
    return ids[0]


def spell(tokenizer, ids: list[int]) -> tuple[str, np.ndarray]:
    """Return the text that tokens spell, and the span of characters that each adds, n x 2."""
    text = _decode(tokenizer, ids)

    # Tokens may be bytes of one character, so a prefix is decoded anew with each token, and ends where it departs
    # from the whole text.
    ends = [0]
    for count in range(1, len(ids) + 1):
        prefix = _decode(tokenizer, ids[:count])
        pairs = enumerate(zip(prefix, text, strict=False))
        end = next((i for i, (a, b) in pairs if a != b), min(len(prefix), len(text)))
        ends.append(max(ends[-1], end))
    ends[-1] = len(text)
    return text, np.stack([ends[:-1], ends[1:]], axis=1)


def readable(tokenizer, number: int) -> str:
    """Return a token as a user reads it: what it spells, or its name if that is only whitespace."""
    text = _decode(tokenizer, [number])
    return text if text.strip() else str(tokenizer.convert_ids_to_tokens([number])[0])


def _decode(tokenizer, ids: list[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
