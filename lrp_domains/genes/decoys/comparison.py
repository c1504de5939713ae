"""Genes compared with their decoys, group by group."""

import numpy as np
import pandas as pd
from scipy import stats

from .knockoffs import q_values
from .null import like_genes, p_values
from .scores import DecoyScores


def compared_with_decoys(decoys: DecoyScores) -> dict[str, pd.DataFrame]:
    """Compare genes with decoys.

    Returns
    -------
    By group, one row per gene: ``decoy_score`` (the mean over the draws), ``p_value``, ``p_adjusted`` (by Benjamini and
    Hochberg) and ``q_value``. A draw whose networks predicted no cell of the group right is left out; NaN if there is
    no other.
    """
    like = like_genes(decoys.mean, decoys.deviation)
    return {str(group): _compared(decoys, number, like) for number, group in enumerate(decoys.groups)}


def _compared(decoys: DecoyScores, number: int, like: np.ndarray) -> pd.DataFrame:
    """Compare the genes of one group."""
    present = ~np.isnan(decoys.scores[:, number]).any(1)
    scores, of_decoys = decoys.scores[present, number], decoys.decoys[present, number]
    columns = dict.fromkeys(("decoy_score", "p_value", "p_adjusted", "q_value"), np.full(len(decoys.genes), np.nan))
    if present.any():
        p = p_values(scores, of_decoys, like)
        columns = {
            "decoy_score": of_decoys.mean(0),
            "p_value": p,
            "p_adjusted": stats.false_discovery_control(p),
            "q_value": q_values(scores, of_decoys, like),
        }
    return pd.DataFrame(columns, index=decoys.genes.astype(str))
