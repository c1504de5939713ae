# The public names; __init__.py imports each when it is first used.
from .explainer import ImageExplainer
from .masks import write_segments
from .relevance import ImageRelevance, ImageRelevances
from .report import write_report
from .sets import check_set, explain_set

__all__ = [
    "ImageExplainer",
    "ImageRelevance",
    "ImageRelevances",
    "check_set",
    "explain_set",
    "write_report",
    "write_segments",
]
