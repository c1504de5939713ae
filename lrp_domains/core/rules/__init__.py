"""The rules, and the sets of them."""
