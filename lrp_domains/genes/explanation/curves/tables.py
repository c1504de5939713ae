"""Tables of deletion and insertion curves, as `lrp_domains.genes.curves` measures them."""

import numpy as np
import pandas as pd

# The orders in which genes are deleted or inserted, and the column of the ranking that each is read from.
ORDERS = {"relevance": "rank", "differential": "de_rank", "random": None}


def areas(curves_: pd.DataFrame) -> pd.DataFrame:
    """Compute the mean height of each curve over its numbers of genes.

    Returns
    -------
    One row per group and order: ``cohort``, ``group``, ``order``, ``deletion`` and ``insertion``. Of probabilities a
    lower deletion and a higher insertion is better; of changes the reverse.
    """
    measured = measured_in(curves_)
    keys = ["cohort", "group", "order", "curve"]
    rows = [
        (*key, np.trapezoid(curve[measured], curve["genes"]) / curve["genes"].max())
        for key, curve in curves_.groupby(keys, sort=False)
    ]
    wide = pd.DataFrame(rows, columns=[*keys, "area"]).set_index(keys)["area"].unstack("curve", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def measured_in(curves_: pd.DataFrame) -> str:
    """Return the name of the column of measured values."""
    return "probability" if "probability" in curves_ else "change"
