"""The tokens of a reference, each in the place of a text's token."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STAYS = -1  # in place of a number: the token is the same in the reference


@dataclass(frozen=True)
class Replacement:
    """What a reference reads in the places of a text's T tokens.

    Attributes
    ----------
    numbers
        The number of each token and of the reference's, T x 2; `STAYS` in both for a token that stays.
    texts
        What the reference reads in each place; empty for a token that stays.
    """

    numbers: np.ndarray
    texts: tuple[str, ...]

    def take(self, tokens: np.ndarray) -> "Replacement":
        """Return some of the places, by number; `STAYS` is a token that has none and stays."""
        numbers, texts = np.vstack([self.numbers, [[STAYS, STAYS]]]), (*self.texts, "")
        return Replacement(numbers[tokens], tuple(texts[token] for token in tokens))


def taken(replacement: Replacement | None, tokens: np.ndarray) -> Replacement | None:
    """Return some of the places of a replacement, if there is one."""
    return None if replacement is None else replacement.take(tokens)


def joined(replacements: Sequence[Replacement | None]) -> Replacement | None:
    """Return the replacement of several texts, one after the other, if there is one."""
    if any(replacement is None for replacement in replacements):
        return None
    numbers = np.concatenate([replacement.numbers for replacement in replacements])
    return Replacement(numbers, tuple(text for replacement in replacements for text in replacement.texts))
