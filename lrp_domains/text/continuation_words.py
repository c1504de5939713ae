"""A matrix of a continuation's tokens, summed to words in rows and columns."""

from __future__ import annotations

import numpy as np

from .results.continuation import RelevanceMatrix
from .results.relevance import Word
from .tokens.encoding import ADDED, Encoding
from .tokens.segmentation import KINDS, Segmentation
from .tokens.words import word_shares


def in_words(
    tokens: RelevanceMatrix, whole: Encoding, outputs: Encoding, *, parts: tuple[str, ...], words: Segmentation
) -> RelevanceMatrix | None:
    """Return the relevance of the words that were read for each word that was generated.

    Parameters
    ----------
    tokens
        The same for tokens.
    whole
        All texts that were read, with their n tokens.
    outputs
        The text that was generated, with its m tokens.
    parts
        The names of the texts that were read.
    words
        See `segment`.

    Returns
    -------
    The sums, or None if the places of tokens are unknown. Added tokens stay columns of their own.
    """
    if whole.spans is None or outputs.spans is None:
        return None
    columns, to_columns = _shares(whole, parts, words)
    rows, to_rows = _shares(outputs, parts[-1:], words)
    read = (to_rows.T > 0).astype(float) @ tokens.read @ (to_columns > 0) > 0
    return RelevanceMatrix(
        inputs=columns,
        outputs=tuple(word.text for word in rows),
        relevance=to_rows.T @ tokens.relevance @ to_columns,
        read=read,
        scores=to_rows.T @ tokens.scores,
    )


def _shares(encoding: Encoding, parts: tuple[str, ...], words: Segmentation) -> tuple[tuple[Word, ...], np.ndarray]:
    """Return the words with a token, and the added tokens, in order; and the share of each token in each of them."""
    items: list[tuple[int, Word, np.ndarray]] = []
    for token in np.flatnonzero(encoding.part == ADDED):
        name = encoding.pieces[token]
        share = np.zeros(len(encoding))
        share[token] = 1.0
        items.append((token, Word(name, -1, -1, relevance=0.0, kind="added", part="added"), share))

    for part, text in enumerate(encoding.texts[: len(parts)]):
        shares = word_shares(encoding, part=part, words=words)
        of_words = np.zeros((len(shares.spans), len(encoding)))
        np.add.at(of_words, (shares.word, shares.token), shares.share)
        for number in np.flatnonzero((of_words > 0).any(1)):
            start, end = shares.spans[number].tolist()
            kind = KINDS[shares.kinds[number]]
            word = Word(text[start:end], start, end, relevance=0.0, kind=kind, part=parts[part])
            items.append((int(of_words[number].argmax()), word, of_words[number]))

    items.sort(key=lambda item: (item[0], item[1].start))
    matrix = np.array([share for _, _, share in items]).reshape(-1, len(encoding)).T
    return tuple(word for _, word, _ in items), matrix
