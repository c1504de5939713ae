"""The report: an HTML page per cohort, and an index of several."""

from .finished import finished_cohorts
from .folder import read_results
from .index import PAGE, write_index
from .page import write_report
from .results import CohortResults

__all__ = ["PAGE", "CohortResults", "finished_cohorts", "read_results", "write_index", "write_report"]
