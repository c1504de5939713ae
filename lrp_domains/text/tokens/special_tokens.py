"""Special tokens: which of them a tokenizer adds to a text and where, and which are written in the text."""

from collections.abc import Sequence

import numpy as np

from ..errors import listed

_MOST = 5  # unknown parts of a text that a note lists


def special_ids(tokenizer) -> list[int]:
    """Return the special tokens that may be written in a text.

    The unknown token replaces text, so it isn't one, unless it has another role too, such as GPT-2's end of a text.
    """
    roles = {getattr(tokenizer, f"{role}_token_id", None) for role in ("bos", "eos", "sep", "cls", "mask", "pad")}
    return [number for number in tokenizer.all_special_ids if number != tokenizer.unk_token_id or number in roles]


def special_strings(tokenizer) -> tuple[str, ...]:
    """Return the special tokens of a tokenizer as they are written, also those of chat templates."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    strings = {str(token) for token in tokenizer.all_special_tokens}
    return tuple(strings | {str(token) for token in added if getattr(token, "special", False)})


def has_special_tokens(tokenizer, text: str) -> bool:
    """Return whether a text has the special tokens that the tokenizer would add, as a chat template writes them.

    It has if it begins with the first of them ([CLS], <s>), or, if none is added in front, ends with the last.
    """
    strings = tuple(map(str, tokenizer.all_special_tokens))
    if not strings or not (text.lstrip().startswith(strings) or text.rstrip().endswith(strings)):
        return False
    front, back = frame_of(tokenizer)
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    if front:
        return ids[:1] == front[:1]
    return bool(back) and ids[-1:] == back[-1:]


def frame_of(tokenizer) -> tuple[list[int], list[int]]:
    """Return the tokens that the tokenizer adds before and after a text."""
    whole, inner = (tokenizer("a", add_special_tokens=added, verbose=False)["input_ids"] for added in (True, False))
    start = _position(whole, inner, 0)
    return ([], []) if start is None else (whole[:start], whole[start + len(inner) :])


def parts_of(tokenizer, ids: list[int], texts: Sequence[str], *, framed: bool) -> np.ndarray:
    """Return per token the number of its text, or -1 if the tokenizer added it, by position.

    The number of a token doesn't tell: an unknown word, or a [SEP] that is written in a text, belongs to the text.
    """
    inner = [tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts]
    owners = [[(number, place) for place in range(len(tokens))] for number, tokens in enumerate(inner)]
    if framed:
        try:
            frame = tokenizer.build_inputs_with_special_tokens(*owners)
        except (TypeError, ValueError, IndexError, AttributeError, NotImplementedError):
            frame = []
    else:
        frame = [owner for tokens in owners for owner in tokens]
    if [inner[item[0]][item[1]] if isinstance(item, tuple) else item for item in frame] == ids:
        return np.array([item[0] if isinstance(item, tuple) else -1 for item in frame], np.int64)

    # A tokenizer that builds its input differently: the texts' tokens are searched for, in order.
    part, position = np.full(len(ids), -1), 0
    for number, tokens in enumerate(inner):
        start = _position(ids, tokens, position)
        if start is not None:
            position = start + len(tokens)
            part[start:position] = number
    return part


def _position(ids: list[int], tokens: list[int], first: int) -> int | None:
    """Return where tokens occur among others, from a position on."""
    positions = range(first, len(ids) - len(tokens) + 1)
    return next((start for start in positions if ids[start : start + len(tokens)] == tokens), None)


def unknown_tokens(tokenizer, encoding) -> np.ndarray:
    """Return the numbers of an encoding's tokens that stand for something that the vocabulary lacks."""
    tokens = np.flatnonzero((encoding.inputs["input_ids"] == tokenizer.unk_token_id) & (encoding.part >= 0))
    if encoding.spans is None:
        return tokens
    return tokens[np.array([encoding.written(token) != tokenizer.unk_token for token in tokens], bool)]


def unknown_note(encoding, tokens: np.ndarray) -> list[str]:
    """Return a note of the tokens that the model sees as unknown, if there are any."""
    if not len(tokens):
        return []
    note = f"{len(tokens)} {'token is' if len(tokens) == 1 else 'tokens are'} unknown to the model"
    if encoding.spans is None:
        return [note]
    return [f"{note}: {listed(dict.fromkeys(map(encoding.written, tokens)), _MOST)}"]
