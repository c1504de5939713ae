# The public names; __init__.py imports each when it is first used.
from .demo import DemoModels, train_demo
from .explainer import ImageExplainer
from .files import check_files, explain_files
from .relevance import ImageRelevance, ImageRelevances
from .report import write_report

__all__ = [
    "DemoModels",
    "ImageExplainer",
    "ImageRelevance",
    "ImageRelevances",
    "check_files",
    "explain_files",
    "train_demo",
    "write_report",
]
