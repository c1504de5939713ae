"""The share of scores that genes account for."""

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ...domain.page import INK
from .. import slots
from ..explanation.runs.results_in_adata import provenance_of, reference_in
from .style import axes_of, plain_axes, plain_names

# The range of shares to show; those beyond it, of scores near 0, are counted at its ends.
PERCENTILES = (1, 99)


def explained_scores(obs: pd.DataFrame) -> np.ndarray:
    """Return what the relevance of each cell sums to but for biases: its score, minus that of a reference."""
    score = obs[slots.SCORE].to_numpy(dtype=float)
    return score - obs[slots.REFERENCE_SCORE].to_numpy(dtype=float) if slots.REFERENCE_SCORE in obs else score


def shares_of_genes(obs: pd.DataFrame) -> np.ndarray:
    """Return the share of each cell's score, or of its difference, that its genes account for; NaN for one of 0."""
    score = explained_scores(obs)
    genes = score - obs[slots.REST].to_numpy(dtype=float)
    return np.divide(genes, score, out=np.full(len(obs), np.nan), where=score != 0)


@plain_names
def conservation(adata: AnnData, *, noun: str = "cells", ax: Axes | None = None) -> Axes:
    """Draw the share of each cell's score, or difference from a reference, that its genes account for.

    Biases account for the rest. Shares beyond the 1st and the 99th percentile, of scores near
    0, are counted at the ends.

    Parameters
    ----------
    adata
        An explained cohort.
    noun
        What the rows are.
    ax
        The axes to draw on; a new figure if None.

    Examples
    --------
    >>> conservation(adata, noun="patients")
    """
    of = "difference" if reference_in(provenance_of(adata)) else "score"
    shares = shares_of_genes(adata.obs)
    shares = shares[np.isfinite(shares)]
    low, high = np.percentile(shares, PERCENTILES) if len(shares) else (1, 1)
    low, high = min(low - 0.02, 0.9), max(high + 0.02, 1.1)

    axes = axes_of(ax, 4.8, 2.7)
    axes.hist(np.clip(shares, low, high), bins=np.linspace(low, high, 41), color="#4a6fa5")
    axes.axvline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(f"share of a {of} that genes account for")
    axes.set_ylabel(noun)
    plain_axes(axes)
    return axes
