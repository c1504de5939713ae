"""Text: which words made a model say so.

>>> explainer = TextExplainer.from_pretrained("path/to/model")
>>> result = explainer("I loved every minute of it")
>>> result.print()
>>> explainer(reviews, target="POSITIVE").to_frame()
"""

from .class_words import class_words
from .collection import TextRelevances
from .continuation import ContinuationRelevance
from .errors import TextError
from .explainer import TextExplainer
from .figures import class_words_figure
from .frames import frame
from .labels import Labels
from .relevances import TextLedger, TextRelevance, Token, Word
from .segmentation import segment
from .settings import Settings

__all__ = [
    "ContinuationRelevance",
    "Labels",
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
