"""What was asked of an explainer, and how it was built: results that differ in it are not parts of one table."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...domain.runs.identity import identity_of, without_addresses
from ..models.text_model import TextModel
from ..models.wrappers import plain_model
from ..running.pipeline import Pipeline


def request_of(pipeline: Pipeline, against_reference: bool, wishes: Mapping[str, Any]) -> str:
    """Return a digest of all that results depend on beside the texts, the weights and the tokenizer."""
    settings = pipeline.settings
    rules = settings.rule_set(against_reference=against_reference)
    settings = replace(settings, batch_size=None, compile=False)  # results don't depend on them, but for rounding
    request = (wishes, against_reference, identity_of(rules), settings, _built(pipeline.model))
    return hashlib.sha256(without_addresses(repr(request)).encode()).hexdigest()


def _built(model: TextModel) -> tuple[object, ...]:
    """Return what a model is and how it is read."""
    network, head = model.network, model.head
    config = getattr(plain_model(network.module), "config", None)
    return (
        model.task,
        str(network.module),  # its layers, also quantised ones, and the poolings of a sentence encoder
        sorted({str(parameter.dtype) for parameter in network.module.parameters()}),
        getattr(config, "_attn_implementation", None),
        (network.words, network.added),
        (getattr(head, "pooling", None), head.labels),
        (model.longest, sorted(model.fill.items()), sorted(model.special.placeholders.items())),
    )
