"""The report: one self-contained HTML file."""

from .folder import read_results
from .page import write_report
from .results import CohortResults

__all__ = ["CohortResults", "read_results", "write_report"]
