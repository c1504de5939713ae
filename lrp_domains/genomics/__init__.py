"""Sequences of genomes and proteins: their files, letters, tracks and logos. Nothing here knows of explanations."""
