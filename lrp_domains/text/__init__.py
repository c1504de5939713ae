"""Text: which words made a model say so.

>>> explainer = TextExplainer.from_pretrained("path/to/model")
>>> result = explainer("I loved every minute of it")
>>> result.print()
>>> explainer(reviews, target="POSITIVE").to_frame()
"""

from .collection import TextRelevances
from .errors import TextError
from .explainer import TextExplainer
from .frames import frame
from .labels import Labels
from .relevances import TextLedger, TextRelevance, Token, Word
from .segmentation import segment
from .settings import Settings

__all__ = [
    "Labels",
    "Settings",
    "TextError",
    "TextExplainer",
    "TextLedger",
    "TextRelevance",
    "TextRelevances",
    "Token",
    "Word",
    "frame",
    "segment",
]
