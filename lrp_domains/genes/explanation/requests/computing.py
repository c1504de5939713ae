"""A model in the precision that it computes in."""

from dataclasses import replace
from itertools import chain

from ....domain import in_precision, listed, reason
from ...cohorts.values.expression import dense_batch
from ...cohorts.values.normalisation import Matrix
from ...errors import CohortError
from ...models.model import GeneModel, check_network


def computing_in(model: GeneModel, precision: str | None) -> GeneModel:
    """Return a model whose networks compute in a precision; the model itself where nothing would change."""
    networks = tuple(tuple(in_precision(network, precision) for network in members) for members in model.networks)
    changed = any(new is not old for new, (_, old) in zip(chain(*networks), model.unseen(-1), strict=True))
    return replace(model, networks=networks) if changed else model


def check_computing(computing: GeneModel, probed: Matrix, precision: str) -> None:
    """Raise if a model, which accepts some cells, doesn't in another precision."""
    for _, network in computing.unseen(-1):
        try:
            check_network(computing, network, dense_batch(probed, slice(None), computing.values_like(network)))
        except CohortError as error:
            raise not_in_precision(precision, error) from error


def not_in_precision(precision: str, error: Exception) -> CohortError:
    """Return the error of a model that can't compute in a precision."""
    others = [name for name in ("bf16", "fp32") if name != precision]
    return CohortError(
        f"the model can't be explained in precision '{precision}': {reason(error)}; use {listed(others)}"
    )
