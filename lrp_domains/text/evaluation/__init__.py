"""Tests of explained texts: what they score without some of their words, and whether the right words are relevant."""

from ...domain.results.chance import near_chance
from .compare import check_methods, compare_methods, words_among, words_within
from .corpora import draw
from .methods import DEFAULT, METHODS, UNIT, Method
from .models import agreement, parameter_randomisation
from .removal import RemovableWords

__all__ = [
    "DEFAULT",
    "METHODS",
    "UNIT",
    "Method",
    "RemovableWords",
    "agreement",
    "check_methods",
    "compare_methods",
    "draw",
    "near_chance",
    "parameter_randomisation",
    "words_among",
    "words_within",
]
