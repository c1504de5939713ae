"""Files that are whole, tables that are safe, inputs that are the ones that were checked, room on disk."""
