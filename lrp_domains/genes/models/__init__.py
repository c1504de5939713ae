"""Models of expression: what they are, what they expect, and where they come from."""
