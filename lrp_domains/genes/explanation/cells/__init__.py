"""From batches of cells to their relevance."""
