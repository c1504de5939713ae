"""Decoy genes, which have the values of real genes but no link to the labels: what relevance is worth by chance."""
