"""Explanations recorded as one graph of tensor operations, which runs without the model's Python code."""
