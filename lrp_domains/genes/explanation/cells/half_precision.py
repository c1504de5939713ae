"""How far an explanation in half precision is from that in single precision, on the first cells of a cohort."""

from dataclasses import replace

from scipy import sparse

from ....domain import Account, relative_distance
from ... import slots
from ...errors import CohortError
from ..requests.computing import computing_in, not_in_precision
from ..requests.plan import Plan
from ..results.explained_cells import ExplainedCells
from .explain import explain_cells


def with_distance(plan: Plan) -> Plan:
    """Return a plan that knows its distance from single precision; the plan itself unless it is in half precision.

    The first chunk is explained in both precisions: what differs is summed over its cells and genes, without signs, and
    divided by the sum in single precision. A cell whose predicted class differs counts with all that follows from it.

    Raises
    ------
    CohortError
        The model can't be explained in this precision, for example because an operation is missing on the device.
    """
    precision = plan.request.precision
    if precision in (None, "fp32") or plan.computing is plan.model:
        return plan
    try:
        half = _first_chunk(plan)
    except CohortError:
        raise
    except RuntimeError as error:  # as PyTorch raises for an operation that a dtype lacks
        raise not_in_precision(precision, error) from error
    single = _first_chunk(replace(plan, computing=computing_in(plan.model, "fp32")))

    relevance = [cells.rows.data if sparse.issparse(cells.rows) else cells.rows for cells in (half, single)]
    distance = {
        "distance_relevance": relative_distance(*relevance),
        "distance_score": relative_distance(half.obs[slots.SCORE], single.obs[slots.SCORE]),
    }
    return replace(plan, distance=distance)


def _first_chunk(plan: Plan) -> ExplainedCells:
    """Explain the first chunk."""
    cells = explain_cells(plan, plan.empty_statistics(), Account(), stop=min(plan.size, plan.expression.n_cells))
    first = next(cells)
    cells.close()
    return first
