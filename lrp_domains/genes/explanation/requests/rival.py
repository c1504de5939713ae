"""What a rival can explain: models that read a matrix of values."""

import torch

from ....evaluation.rivals import Rival
from ...cohorts.values.expression import dense_batch
from ...cohorts.values.normalisation import Matrix
from ...errors import CohortError
from ...models.model import GeneModel


def check_rival(rival: Rival, model: GeneModel, probed: Matrix) -> None:
    """Raise if a model, which accepts some cells, doesn't compute its outputs from their values as one tensor."""
    for _, network in model.unseen(-1):
        values = dense_batch(probed, slice(None), model.values_like(network))
        sources = model.reading(network, values).sources
        if len(sources) != 1 or not sources[0].is_leaf or not torch.equal(sources[0], values):
            name = getattr(model.reading, "__name__", type(model.reading).__name__)
            raise CohortError(
                f"{rival.name} explains models that read a matrix of values, and '{type(network).__name__}' is read by "
                f"'{name}', whose sources are others: use a rule set, such as lrp_domains.ATTN_LRP"
            )
