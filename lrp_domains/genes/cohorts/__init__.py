"""Cohorts: read and written, checked, and converted to what a model expects."""
