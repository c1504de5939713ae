"""Answers of a context, from the logits of where they start and end."""

from collections.abc import Sequence

import numpy as np

from ..tokens.encoding import Encoding

LONGEST_ANSWER = 30  # tokens; longer answers are rarely meant
CONTEXT = 1  # the number of the context's text

Ends = tuple[int, int]  # the first and the last column of an answer


def most_probable_answer(encoding: Encoding, starts: np.ndarray, ends: np.ndarray) -> tuple[tuple[int, int], float]:
    """Return the first and last token of the most probable answer in the context, and its probability."""
    context = encoding.part == CONTEXT
    together = np.where(np.outer(context, context), starts[:, None] + ends[None, :], -np.inf)
    length = np.arange(len(ends))[None, :] - np.arange(len(starts))[:, None]
    together[(length < 0) | (length >= LONGEST_ANSWER)] = -np.inf

    start, end = np.unravel_index(together.argmax(), together.shape)
    return (int(start), int(end)), probability_of(starts, ends, int(start), int(end))


def probability_of(starts: np.ndarray, ends: np.ndarray, start: int, end: int) -> float:
    """Return the probability of an answer, from the logits of its start and its end."""
    chances = [logits[at] - np.logaddexp.reduce(logits) for logits, at in ((starts, start), (ends, end))]
    return float(np.exp(sum(chances)))


def sum_of(logits: Sequence[np.ndarray], answer: Ends) -> float:
    """Return the sum of an answer's logits, by which windows are compared."""
    return float(logits[0][answer[0]] + logits[1][answer[1]])
