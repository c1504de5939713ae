"""The role of each value, and the shares of the factors of a product."""
