"""Tokens of a language model by what they spell, and back."""

from numbers import Integral

import numpy as np
import regex

from ..errors import TextError

# Before these a word that continues a text is set off by a space.
_SPACED = regex.compile(
    r"[[\p{L}\p{N}]--[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]", regex.V1
)


def continued(text: str, phrase: str) -> str:
    """Give a phrase as it would stand after a text: with a space before it, unless one is there already."""
    if text and not text[-1].isspace() and _SPACED.match(phrase):
        return " " + phrase
    return phrase


def phrase_ids(tokenizer, phrase: object, text: str) -> list[int]:
    """Give the tokens of a phrase that continues a text, or the token itself if a number is given."""
    if isinstance(phrase, Integral) and not isinstance(phrase, bool):
        if not 0 <= phrase < len(tokenizer):
            raise TextError(f"target={phrase} is no token: the tokenizer knows 0 to {len(tokenizer) - 1}")
        return [int(phrase)]
    if not isinstance(phrase, str) or not phrase:
        raise TextError(f"target={phrase!r}: give a token's number, or a word or phrase that the model may say")
    ids = tokenizer(continued(text, phrase), add_special_tokens=False, verbose=False)["input_ids"]
    if not ids:
        raise TextError(f"target={phrase!r} gives no token")
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in ids:
        raise TextError(f"target={phrase!r} holds something that the model's vocabulary has no token for")
    return ids


def one_token(tokenizer, word: object, text: str) -> int:
    """Give the token of a word that must be a single one."""
    ids = phrase_ids(tokenizer, word, text)
    if len(ids) != 1:
        shown = ", ".join(repr(tokenizer.decode([one])) for one in ids)
        raise TextError(f"target={word!r} is {len(ids)} tokens ({shown}), but one place holds one: name a single token")
    return ids[0]


def spelled(tokenizer, ids: list[int]) -> tuple[str, np.ndarray]:
    """Give the text that tokens spell, and which characters each adds, n x 2."""
    text = _decoded(tokenizer, ids)
    ends = [0]
    for n in range(1, len(ids) + 1):
        begun = _decoded(tokenizer, ids[:n])
        same = next(
            (i for i, (a, b) in enumerate(zip(begun, text, strict=False)) if a != b), min(len(begun), len(text))
        )
        ends.append(max(ends[-1], same))
    ends[-1] = len(text)
    return text, np.stack([ends[:-1], ends[1:]], axis=1)


def shown(tokenizer, number: int) -> str:
    """Give a token as a user reads it."""
    text = _decoded(tokenizer, [number])
    return text if text.strip() else str(tokenizer.convert_ids_to_tokens([number])[0])


def _decoded(tokenizer, ids: list[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
