"""Models of transformers and others, as the adapter calls them: one forward pass whose embeddings are kept."""
