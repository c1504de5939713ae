"""What an explanation contains, as objects, tables, pages and figures."""
