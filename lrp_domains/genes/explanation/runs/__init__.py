"""Whole cohorts: in memory, from file to file, resumed, in shards."""
