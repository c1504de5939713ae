"""Tests of explained cells: what they score without some of their genes, and whether markers are relevant."""

from .cells import DrawnCells, draw
from .compare import COUNTS, check_methods, compare_methods
from .differential import differential_expression
from .markers import check_markers, markers_among
from .methods import DEFAULT, METHODS, UNIT, Explained, Method
from .models import parameter_randomisation
from .removal import HOW, RemovableGenes

__all__ = [
    "COUNTS",
    "DEFAULT",
    "HOW",
    "METHODS",
    "UNIT",
    "DrawnCells",
    "Explained",
    "Method",
    "RemovableGenes",
    "check_markers",
    "check_methods",
    "compare_methods",
    "differential_expression",
    "draw",
    "markers_among",
    "parameter_randomisation",
]
