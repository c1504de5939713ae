"""Deletion and insertion curves."""
