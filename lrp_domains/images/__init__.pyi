# The public names; __init__.py imports each when it is first used.
from .explainer import ImageExplainer
from .relevance import ImageRelevance, ImageRelevances

__all__ = ["ImageExplainer", "ImageRelevance", "ImageRelevances"]
