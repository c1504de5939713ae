"""Relevance of genes in cells, and the sums over groups of cells that are kept."""
