# The public names; __init__.py imports each when it is first used.
from .errors import TextError
from .explainer import TextExplainer
from .heads.labels import Labels
from .results.class_words import class_words
from .results.collection import TextRelevances
from .results.continuation import ContinuationRelevance, RelevanceMatrix
from .results.difference import TextDifference, WordDifference, difference
from .results.figures import class_words_figure
from .results.relevance import Reference, TextLedger, TextRelevance, Token, Word
from .results.tables import frame
from .settings import Settings
from .tokens.segmentation import segment

__all__ = [
    "ContinuationRelevance",
    "Labels",
    "Reference",
    "RelevanceMatrix",
    "Settings",
    "TextDifference",
    "TextError",
    "TextExplainer",
    "TextLedger",
    "TextRelevance",
    "TextRelevances",
    "Token",
    "Word",
    "WordDifference",
    "class_words",
    "class_words_figure",
    "difference",
    "frame",
    "segment",
]
