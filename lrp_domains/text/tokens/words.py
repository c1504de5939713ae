"""From tokens to words, by characters.

A token shares its relevance among the characters it covers, whitespace aside, and a word takes what its
characters get; so relevance is conserved whatever the tokenizer did: tokens = words + added tokens.
"""

from dataclasses import dataclass

import numpy as np

from .encoding import Encoding
from .segmentation import Segmentation, segment


@dataclass(frozen=True)
class WordSums:
    """The spans that tile one text, with their relevance (float64) and whether a token touches them."""

    spans: np.ndarray
    kinds: np.ndarray
    relevance: np.ndarray
    touched: np.ndarray


def word_sums(encoding: Encoding, part: int, relevance: np.ndarray, words: Segmentation) -> WordSums:
    """Sum the relevance of a text's tokens over its words.

    Parameters
    ----------
    encoding
        The tokens, with spans.
    part
        The number of the text among ``encoding.texts``.
    relevance
        One number a token, T.
    words
        See `segment`.
    """
    text = encoding.texts[part]
    own = np.flatnonzero(encoding.part == part)
    spans, kinds = segment(text, words)
    spans, kinds = whole(spans, kinds, encoding.marks[encoding.marks[:, 0] == part, 1:])
    owner = np.repeat(np.arange(len(spans)), spans[:, 1] - spans[:, 0])
    blank = kinds[owner] == 2
    places = settle(encoding.spans[own], text)
    lengths = places[:, 1] - places[:, 0]
    token = np.repeat(np.arange(len(own)), lengths)
    character = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - places[:, 0], lengths)
    weight = 1.0 - blank[character]
    total = np.bincount(token, weight, len(own))
    weight = np.where(total[token] == 0, 1.0, weight)  # a token of whitespace alone
    total = np.where(total == 0, lengths, total)
    share = relevance[own][token] * weight / total[token]
    sums = np.bincount(owner[character], share, len(spans))
    return WordSums(spans, kinds, sums, np.bincount(owner[character], weight, len(spans)) > 0)


def whole(spans: np.ndarray, kinds: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make one mark of what a special token covers: [MASK] is neither a word nor three."""
    if not len(tokens):
        return spans, kinds
    starts = np.union1d(spans[:, 0], tokens)
    starts = starts[~((starts[:, None] > tokens[:, 0]) & (starts[:, None] < tokens[:, 1])).any(1)]
    starts = starts[starts < spans[-1, 1]]
    ends = np.r_[starts[1:], spans[-1, 1]]
    kinds = kinds[np.searchsorted(spans[:, 0], starts, side="right") - 1]
    return np.stack([starts, ends], axis=1), np.where(np.isin(starts, tokens[:, 0]), 1, kinds)


def settle(spans: np.ndarray, text: str) -> np.ndarray:
    """Put tokens that stand for no character of their own where the next token stands.

    Some tokenizers emit the mark of a word's beginning as a token by itself: it covers nothing, or one space before
    the word, or the word's first character, which the next token covers too. At the end of a text such a token
    goes with the one before. A token that is left without a character takes the whole text.
    """
    if not len(text) or not len(spans):
        return np.zeros((len(spans), 2), np.int64)
    start, end = spans.T
    after = np.r_[start[1:], len(text)], np.r_[end[1:], len(text)]
    space = np.array([one == " " for one in text] + [False])
    only_space = np.r_[0, np.cumsum(space)][end] - np.r_[0, np.cumsum(space)][start] == end - start
    joins = (start == end) | ((start == after[0]) & (end < after[1]))
    joins |= only_space & (end == after[0]) & (after[1] > after[0]) & ~space[after[0]]
    joins[-1] = False
    number = np.arange(len(spans))
    taken = np.minimum.accumulate(np.where(joins, len(spans) - 1, number)[::-1])[::-1]
    places = spans[taken]
    standing = np.maximum.accumulate(np.where(places[:, 0] < places[:, 1], number, -1))
    return np.where((standing >= 0)[:, None], places[standing], [0, len(text)])
