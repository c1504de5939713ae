"""Training of the built-in networks, out of fold."""
