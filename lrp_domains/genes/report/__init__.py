"""The report: one self-contained HTML file."""

from .finished import finished_cohorts
from .folder import read_results
from .page import write_report
from .results import CohortResults

__all__ = ["CohortResults", "finished_cohorts", "read_results", "write_report"]
