"""Relevance of genes in cells, and what of it is kept for groups of cells."""
