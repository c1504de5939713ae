"""From tokens to words, by characters.

A token shares its relevance equally among the characters it covers, ignoring whitespace, and a word sums its
characters. So relevance is conserved, whatever the tokenizer did: tokens = words + added tokens.
"""

from dataclasses import dataclass

import numpy as np

from .encoding import Encoding
from .segmentation import Segmentation, segment

SPACE = 2  # the kind of a span of whitespace


@dataclass(frozen=True)
class WordShares:
    """Which share of which token goes to which span of those that tile one text.

    Attributes
    ----------
    spans, kinds
        The spans, n x 2, and their kinds.
    token, word, share
        One entry per token and character that it covers: the number of the token among all, of the span, and the share.
    touched
        Whether a token touches a span.
    """

    spans: np.ndarray
    kinds: np.ndarray
    token: np.ndarray
    word: np.ndarray
    share: np.ndarray
    touched: np.ndarray

    def sums(self, relevance: np.ndarray) -> np.ndarray:
        """Return the relevance of each span (float64) from that of all tokens."""
        return np.bincount(self.word, relevance[self.token] * self.share, len(self.spans))


@dataclass(frozen=True)
class WordSums:
    """The spans that tile one text, with their kind, their relevance (float64), and whether a token touches them."""

    spans: np.ndarray
    kinds: np.ndarray
    relevance: np.ndarray
    touched: np.ndarray


def word_sums(encoding: Encoding, relevance: np.ndarray, *, part: int = 0, words: Segmentation = "words") -> WordSums:
    """Sum the relevance of a text's tokens, one number per token, over its words; see `word_shares`."""
    shares = word_shares(encoding, part=part, words=words)
    return WordSums(shares.spans, shares.kinds, relevance=shares.sums(relevance), touched=shares.touched)


def word_shares(encoding: Encoding, *, part: int = 0, words: Segmentation = "words") -> WordShares:
    """Share each token of a text among the words that it covers.

    Parameters
    ----------
    encoding
        The tokens, with spans.
    part
        The number of the text among ``encoding.texts``.
    words
        See `segment`.
    """
    text = encoding.texts[part]
    tokens = np.flatnonzero(encoding.part == part)
    spans, kinds = segment(text, words)
    spans, kinds = join_marks(spans, kinds, encoding.spans[tokens[encoding.special[tokens]]])
    word_at = np.repeat(np.arange(len(spans)), spans[:, 1] - spans[:, 0])

    # One entry per token and character that it covers.
    covered = settle(encoding.spans[tokens], text)
    lengths = covered[:, 1] - covered[:, 0]
    token = np.repeat(np.arange(len(tokens)), lengths)
    character = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - covered[:, 0], lengths)

    # Whitespace gets nothing, except from a token that covers only whitespace.
    weight = 1.0 - (kinds[word_at] == SPACE)[character]
    total = np.bincount(token, weight, len(tokens))
    weight = np.where(total[token] == 0, 1.0, weight)
    total = np.where(total == 0, lengths, total)

    word = word_at[character]
    touched = np.bincount(word, weight, len(spans)) > 0
    return WordShares(spans, kinds, token=tokens[token], word=word, share=weight / total[token], touched=touched)


def replaced_words(encoding: Encoding, spans: np.ndarray, part: int = 0) -> list[str]:
    """Return what a reference reads in the place of each span of a text; empty strings without a reference."""
    if encoding.replacement is None:
        return [""] * len(spans)
    # A decoder may read the same tokens again.
    tokens = np.flatnonzero((encoding.part == part) & (encoding.side is None or encoding.side == 0))
    covered = settle(encoding.spans[tokens], encoding.texts[part])
    touches = (covered[:, 0] < spans[:, 1:]) & (covered[:, 1] > spans[:, :1])
    texts = [encoding.replacement.texts[token] for token in tokens]
    return ["".join(texts[number] for number in np.flatnonzero(row)).strip() for row in touches]


def join_marks(spans: np.ndarray, kinds: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join the spans that a special token covers into one mark: [MASK] is neither one word nor three spans."""
    marks = marks[marks[:, 0] < marks[:, 1]]
    if not len(marks):
        return spans, kinds

    starts = np.union1d(spans[:, 0], marks)
    starts = starts[~((starts[:, None] > marks[:, 0]) & (starts[:, None] < marks[:, 1])).any(1)]
    starts = starts[starts < spans[-1, 1]]
    ends = np.r_[starts[1:], spans[-1, 1]]

    kinds = kinds[np.searchsorted(spans[:, 0], starts, side="right") - 1]
    return np.stack([starts, ends], axis=1), np.where(np.isin(starts, marks[:, 0]), 1, kinds)


def settle(spans: np.ndarray, text: str) -> np.ndarray:
    """Move tokens that cover no character of their word to the place of the next token.

    Some tokenizers emit the mark of a word's beginning as a separate token: it covers nothing, or one space before
    the word, or the word's first character, which the next token covers too. At the end of a text such a token
    joins the one before. A token that is left without a character covers the whole text.

    Returns
    -------
    Start and end of each token, n x 2; none is empty unless the text is.
    """
    if not len(text) or not len(spans):
        return np.zeros((len(spans), 2), np.int64)
    start, end = spans.T
    next_start, next_end = np.r_[start[1:], len(text)], np.r_[end[1:], len(text)]

    # Which tokens only mark that a word begins.
    is_space = np.array([letter == " " for letter in text] + [False])
    spaces_before = np.r_[0, np.cumsum(is_space)]
    only_spaces = spaces_before[end] - spaces_before[start] == end - start
    joins = (start == end) | ((start == next_start) & (end < next_end))
    joins |= only_spaces & (end == next_start) & (next_end > next_start) & ~is_space[next_start]
    joins[-1] = False

    # Each joins the next token that doesn't; those that still cover nothing join the last one before that does.
    number = np.arange(len(spans))
    target = np.minimum.accumulate(np.where(joins, len(spans) - 1, number)[::-1])[::-1]
    moved = spans[target]
    covering = np.maximum.accumulate(np.where(moved[:, 0] < moved[:, 1], number, -1))
    return np.where((covering >= 0)[:, None], moved[covering], [0, len(text)])
