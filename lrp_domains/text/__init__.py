"""Texts: which words decide a model's prediction.

>>> explainer = TextExplainer.from_pretrained("path/to/model")
>>> result = explainer("I loved every minute of it")
>>> result.print()
>>> explainer(reviews, target="POSITIVE", against="NEGATIVE").to_frame()

Each folder imports only from those before it, and all from ``errors.py`` and ``arguments.py``: ``tokens`` (texts to
tokens and back to words), ``heads`` (what a model is for), ``models`` (how it is run), ``results`` (what a user
gets). The files next to them explain texts with all four; ``demo``, ``corpora`` and ``report`` use those.
"""

from .errors import TextError
from .explainer import TextExplainer
from .heads.labels import Labels
from .results.class_words import class_words
from .results.collection import TextRelevances
from .results.continuation import ContinuationRelevance
from .results.figures import class_words_figure
from .results.relevance import Reference, TextLedger, TextRelevance, Token, Word
from .results.tables import frame
from .settings import Settings
from .tokens.segmentation import segment

__all__ = [
    "ContinuationRelevance",
    "Labels",
    "Reference",
    "Settings",
    "TextError",
    "TextExplainer",
    "TextLedger",
    "TextRelevance",
    "TextRelevances",
    "Token",
    "Word",
    "class_words",
    "class_words_figure",
    "frame",
    "segment",
]
