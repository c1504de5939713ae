"""Ranked genes: of groups, across cohorts, and compared with gene sets."""
