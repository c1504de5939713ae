"""The relevance of cells, and the sums over groups that are kept."""
