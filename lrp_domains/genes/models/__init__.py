"""Models of expression: what they are, what they expect, where they come from."""
