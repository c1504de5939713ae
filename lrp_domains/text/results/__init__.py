"""What an explanation holds, as objects, tables, pages and figures."""
