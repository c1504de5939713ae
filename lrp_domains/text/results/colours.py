"""Relevance as colour: red is evidence for the target, blue against it, white is none.

Colours are scaled to the largest relevance of a text, symmetric about 0; numbers are not scaled. Letters are black or
white, whichever has more contrast: at least 4.5, as WCAG 2 asks for text (level AA).
"""

from ...domain import page

Colour = tuple[int, int, int]

FOR, AGAINST = page.rgb(page.FOR), page.rgb(page.AGAINST)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# On white, where a text is not coloured: its letters, those of less importance, and those of notes.
INK, QUIET, NOTE = "#222222", "#595959", "#7a4b00"


def colour(relevance: float, largest: float) -> tuple[Colour, bool]:
    """Return the background for a relevance, and whether the letters on it should be white."""
    share = min(1.0, abs(relevance) / largest) if largest > 0 else 0.0
    end = FOR if relevance > 0 else AGAINST
    background = tuple(round(255 + share * (channel - 255)) for channel in end)
    return background, contrast(background, WHITE) > contrast(background, BLACK)


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours, from 1 to 21, as WCAG 2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def largest(words, of: str = "relevance") -> float:
    """Return the largest absolute relevance among words, or difference with ``of="difference"``."""
    return max((abs(getattr(word, of)) for word in words), default=0.0)


def _luminance(colour: Colour) -> float:
    channels = (channel / 255 for channel in colour)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
