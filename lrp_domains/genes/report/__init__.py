"""The report: one HTML file with everything in it."""

from .page import write_report
from .results import CohortResults, read_results

__all__ = ["CohortResults", "read_results", "write_report"]
