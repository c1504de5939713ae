"""Figures of explained cohorts: each function draws on a matplotlib Axes, and returns it.

None of them shows, saves or closes a figure, or changes a setting of matplotlib.

>>> figures.dot_plot(adata)
>>> figures.volcano(table, "CD19+ B").figure.savefig("volcano.pdf")
"""

from .agreement_matrix import agreement_matrix
from .confusion_matrix import confusion_matrix
from .conservation import conservation
from .embedding import embedding, group_map
from .perturbation import perturbation
from .upset import consensus_upset
from .volcano import volcano
from .waterfall import cell_waterfall
from .with_scanpy import dot_plot, heat_map, matrix_plot

__all__ = [
    "agreement_matrix",
    "cell_waterfall",
    "confusion_matrix",
    "consensus_upset",
    "conservation",
    "dot_plot",
    "embedding",
    "group_map",
    "heat_map",
    "matrix_plot",
    "perturbation",
    "volcano",
]
