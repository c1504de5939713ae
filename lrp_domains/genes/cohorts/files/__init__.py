"""The files of cohorts: recognised, read in part, written."""
