"""Relevance as colour: red is evidence for the target, blue against it, white is none.

Colours are scaled to the largest relevance of a text, symmetric about 0; numbers are not scaled.
"""

from ...domain import page

FOR, AGAINST = page.rgb(page.FOR), page.rgb(page.AGAINST)


def colour(relevance: float, largest: float) -> tuple[tuple[int, int, int], bool]:
    """Return the background for a relevance, and whether the letters on it should be white."""
    share = abs(relevance) / largest if largest > 0 else 0.0
    end = FOR if relevance > 0 else AGAINST
    return tuple(round(255 + share * (channel - 255)) for channel in end), share > 0.55


def largest(words) -> float:
    """Return the largest absolute relevance among words."""
    return max((abs(word.relevance) for word in words), default=0.0)
