"""Cohorts: read and written, checked, and handed to a model as it expects them."""
