"""Relevance as colour: red speaks for the target, blue against it, white not at all.

Colours are scaled to the largest relevance of a text, symmetric about 0; numbers stay as they are. Both ends
are told apart by those who don't tell red from green.
"""

FOR, AGAINST = (178, 24, 43), (33, 102, 172)  # the ends of ColorBrewer's RdBu


def colour(relevance: float, largest: float) -> tuple[tuple[int, int, int], bool]:
    """Give the background for a relevance, and whether the letters on it should be white."""
    share = abs(relevance) / largest if largest > 0 else 0.0
    end = FOR if relevance > 0 else AGAINST
    return tuple(round(255 + share * (one - 255)) for one in end), share > 0.55


def largest(words) -> float:
    """The largest absolute relevance among words."""
    return max((abs(word.relevance) for word in words), default=0.0)
