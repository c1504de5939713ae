"""Rows of tokens through the model and back."""
