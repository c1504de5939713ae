"""What explained samples have in common: outcomes as a table, which of them to show, and what a report says of them."""
