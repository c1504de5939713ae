"""The report: one HTML file with everything in it."""

from .page import write_report

__all__ = ["write_report"]
