"""The columns about cells: labels, groups, selections."""
