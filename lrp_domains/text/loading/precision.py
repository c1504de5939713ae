"""Models of transformers in another precision than that of their weights."""

from torch import nn

from ... import domain
from ..errors import TextError
from ..models.wrappers import plain_model


def in_precision(model: nn.Module, precision: str | None) -> nn.Module:
    """Return a copy of a model in another precision, the model itself where nothing changes; raise if it can't be."""
    config = getattr(plain_model(model), "config", None)
    if precision is not None and getattr(config, "quantization_config", None) is not None:
        raise TextError(f"precision={precision!r}: the model is quantised, which fixes its precision; leave it out")
    return domain.in_precision(model, precision)
