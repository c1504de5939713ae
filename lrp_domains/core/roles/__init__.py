"""What each value is, and what the factors of a product take."""
