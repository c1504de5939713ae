# The public names; __init__.py imports each when it is first used.
from .explainer import ImageExplainer
from .files import check_files, explain_files
from .masks import write_segments
from .relevance import ImageRelevance, ImageRelevances
from .report import write_report

__all__ = [
    "ImageExplainer",
    "ImageRelevance",
    "ImageRelevances",
    "check_files",
    "explain_files",
    "write_report",
    "write_segments",
]
