"""Ranked genes: of groups, across cohorts, against gene sets."""
