"""The tokens of each word, for models that label tokens."""

from typing import Any

import numpy as np

from .encoding import Encoding
from .segmentation import segment
from .words import settle


def prefix_of(tokenizer: Any) -> str | None:
    """Return what a tokenizer puts before a token that continues a word, such as ## in BERT; None if nothing."""
    model = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    if getattr(tokenizer, "subword_tokenizer_type", None) == "wordpiece":
        return "##"
    return getattr(model, "continuing_subword_prefix", None) or None


def words_of_tokens(encoding: Encoding, prefix: str | None = None, part: int = 0) -> list[np.ndarray]:
    """Return the numbers of the tokens of each word of a text, in order.

    Words are those of `segment`, and those of the tokenizer where they are shorter: WordPiece reads a hyphenated word
    as several, and each character of a script without spaces as one.

    Parameters
    ----------
    encoding
        The tokens.
    prefix
        See `prefix_of`.
    part
        The number of the text among ``encoding.texts``.
    """
    tokens = np.flatnonzero(encoding.part == part)
    if not len(tokens):
        return []
    continues = np.array([prefix is None or encoding.pieces[token].startswith(prefix) for token in tokens])
    word = _word_of(encoding, tokens, part)
    if word is None:
        same = continues & (prefix is not None)
    else:
        same = continues & (word == np.r_[-1, word[:-1]])
    return np.split(tokens, np.flatnonzero(~same[1:]) + 1)


def _word_of(encoding: Encoding, tokens: np.ndarray, part: int) -> np.ndarray | None:
    """Return the number of the word that each token begins in; None if their places are unknown."""
    text = encoding.texts[part]
    if encoding.spans is None or not text:
        return None
    spans, _ = segment(text)
    word_at = np.repeat(np.arange(len(spans)), spans[:, 1] - spans[:, 0])
    starts = []
    for start, end in settle(encoding.spans[tokens], text):
        covered = text[start:end]
        starts.append(start + len(covered) - len(covered.lstrip()) if covered.strip() else start)
    return word_at[starts]
