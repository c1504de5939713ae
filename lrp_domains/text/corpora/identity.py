"""What an explainer was built with: results of explainers that differ in it are not parts of one table."""

import re

from ..models.text_model import TextModel
from ..models.wrappers import plain_model


def built(model: TextModel) -> tuple[object, ...]:
    """Return all that results depend on beside the weights, the tokenizer and the settings."""
    network, head = model.network, model.head
    config = getattr(plain_model(network.module), "config", None)
    return (
        model.task,
        # Its layers, also quantised ones, and the poolings of a sentence encoder; a function is shown with its address.
        re.sub(r" at 0x[0-9a-f]+", "", str(network.module)),
        sorted({str(parameter.dtype) for parameter in network.module.parameters()}),
        getattr(config, "_attn_implementation", None),
        (network.words, network.added),
        (getattr(head, "pooling", None), head.labels),
        (model.longest, sorted(model.fill.items()), sorted(model.special.placeholders.items())),
    )
