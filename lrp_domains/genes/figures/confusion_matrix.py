"""The predicted classes of each labelled group."""

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes

from .. import slots
from ..errors import CohortError
from ..explanation.runs.results_in_adata import provenance_of
from .style import add_scale, axes_of, name_axes, plain_names

# With more columns counts are not legible.
COUNTED = 20


def counts_of_classes(adata: AnnData) -> pd.DataFrame | None:
    """Count cells by label (rows) and predicted class (columns); None if the learnt labels are unknown."""
    provenance, obs = provenance_of(adata), adata.obs
    column = str(provenance["labels"])
    if provenance["task"] != "classes" or column not in obs or slots.PREDICTED not in obs:
        return None
    labelled = obs[column].astype(str).to_numpy()
    classes = list(obs[slots.PREDICTED].cat.categories)
    present = set(labelled)
    groups = [name for name in classes if name in present] + sorted(present - set(classes))
    counts = pd.crosstab(labelled, obs[slots.PREDICTED].astype(str).to_numpy())
    return counts.reindex(index=groups, columns=classes, fill_value=0)


@plain_names
def confusion_matrix(adata: AnnData, *, ax: Axes | None = None) -> Axes:
    """Draw the share of each labelled group (rows) that was predicted as each class (columns), with counts.

    Parameters
    ----------
    adata
        An explained cohort whose labels the model learnt; each cell is predicted by networks that have not seen it.
    ax
        The axes to draw on; a new figure if None.

    Examples
    --------
    >>> confusion_matrix(adata)
    """
    counts = counts_of_classes(adata)
    if counts is None:
        raise CohortError("obs has no column of learnt labels to compare with the predicted classes")
    values = counts.to_numpy()
    shares = values / np.maximum(values.sum(1, keepdims=True), 1)
    axes = axes_of(ax, *size_of_confusion(counts))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if values.shape[1] <= COUNTED:
        for i, j in zip(*np.nonzero(values), strict=True):
            colour = "white" if shares[i, j] > 0.6 else "black"
            axes.text(j, i, str(values[i, j]), ha="center", va="center", fontsize=7.5, color=colour)
    name_axes(axes, rows=list(counts.index), columns=list(counts.columns))
    axes.set_xlabel("predicted")
    axes.set_ylabel("labelled")
    add_scale(axes, image, "share of the labelled group")
    return axes


def size_of_confusion(counts: pd.DataFrame) -> tuple[float, float]:
    """Return the width and height in inches at which names are legible."""
    rows, columns = counts.shape
    return 3.1 + 0.44 * columns, 2.1 + 0.3 * rows
