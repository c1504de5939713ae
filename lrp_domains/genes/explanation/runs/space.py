"""The room on disk that an explanation takes, estimated before it is computed."""

from pathlib import Path

from ....domain import size_on_disk
from ..requests.plan import Plan


def bytes_to_write(plan: Plan, source: Path | None, *, layer: bool) -> int:
    """Estimate what an explanation writes: a copy of the cohort, and its layer twice, in finished parts and at the end.

    Parameters
    ----------
    plan
        What is explained.
    source
        The cohort that is copied; None for its tables only.
    layer
        Whether the relevance of every gene in every cell is kept.
    """
    copied = 0 if source is None else size_on_disk(source)
    return copied + 2 * layer * _bytes_of_layer(plan)


def _bytes_of_layer(plan: Plan) -> int:
    """Return the size of a sparse layer, with a value and a column per entry, or of a dense one."""
    expression = plan.expression
    stored = expression.stored
    if plan.is_sparse and hasattr(stored, "indptr"):  # in memory
        return 8 * int(stored.indptr[-1])
    if plan.is_sparse and hasattr(stored, "group"):  # on disk
        return 8 * int(stored.group["data"].shape[0])
    return 4 * expression.n_cells * len(expression.genes)
