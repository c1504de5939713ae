"""The tokens of a reference, each in the place of a text's token."""

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


def joined(first: Replacement | None, second: Replacement | None) -> Replacement | None:
    """Return the replacement of two texts, one after the other, if there is one."""
    if first is None or second is None:
        return None
    return Replacement(np.concatenate([first.numbers, second.numbers]), first.texts + second.texts)
