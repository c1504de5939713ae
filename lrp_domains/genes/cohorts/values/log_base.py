"""The base of the logarithms in a cohort's layer: declared, stored by scanpy, or inferred from the values."""

import math
import warnings

import numpy as np
from anndata import AnnData
from scipy import sparse

from .expression import Expression, canonical

CELLS = 4096  # from which the base is inferred
# Of values that sum to a million, as transcripts per million do; counts of large libraries can be a little above.
HIGHEST_NATURAL_LOG = math.log1p(1e6)
HIGHEST_LOG = 25.0  # above this, values are no logs
LOWEST_ON_ARRAYS = 2.0  # arrays have a background, so that hardly any value is near 0


def log_base(adata: AnnData, expression: Expression) -> float:
    """Return the base of the logs in the layer that is explained.

    The first that applies: ``Expects.log_base``; what `scanpy.pp.log1p` stored in ``uns["log1p"]`` (e if it stored no
    base); for values around zero 2; for logs 2, with a warning, if the values are those of a microarray or too high for
    natural logs; otherwise e.

    Parameters
    ----------
    adata
        The cohort.
    expression
        Its expression as a model reads it.

    Returns
    -------
    The base. NaN if genes are scaled by a standard deviation of values that are no logs.
    """
    expects = expression.expects
    if expects.normalisation in ("counts", "log1p_cp10k"):
        return math.e
    if expects.log_base is not None:
        return expects.log_base
    stored = adata.uns.get("log1p")
    if stored is not None:
        base = stored.get("base") if hasattr(stored, "get") else None  # files leave out a base of None
        return math.e if base is None else float(base)
    if expects.normalisation == "centred":
        return 2.0
    return _inferred(expression)


def _inferred(expression: Expression) -> float:
    """Infer the base from some cells, and warn unless it is the usual one."""
    part = canonical(expression.stored[:CELLS])
    values = part.data if sparse.issparse(part) else part[part != 0]
    highest = float(values.max(initial=0))
    of_zscores = expression.expects.normalisation == "zscore"
    if highest > HIGHEST_LOG:
        if of_zscores:
            warnings.warn(
                f"'{expression.layer}' has values up to {highest:.6g}, which are no logs, so the fold changes of "
                "expression are left out; relevance is not affected: take log2 of the layer to have them",
                stacklevel=5,
            )
        return math.nan if of_zscores else math.e
    if of_zscores:
        return 2.0

    few_zeros = values.size > 0.99 * np.prod(part.shape)
    on_array = few_zeros and np.percentile(values, 1) > LOWEST_ON_ARRAYS
    if not (on_array or highest > HIGHEST_NATURAL_LOG):
        return math.e
    reason = (
        f"hardly any of its values are below {LOWEST_ON_ARRAYS:.0f}, as those of microarrays"
        if on_array
        else f"values up to {highest:.1f} are too high for natural logs"
    )
    warnings.warn(
        f"'{expression.layer}' is taken to hold log2, because {reason}; fold changes are computed accordingly: declare "
        "the base with log_base=2, 'e' or 10 (--log-base) to be sure",
        stacklevel=5,
    )
    return 2.0
