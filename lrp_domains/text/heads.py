"""Which head a task has."""

from typing import Any

from torch import nn

from .classification import Classification
from .labels import labels_of
from .network import Network
from .settings import Settings


def head_of(task: str, model: nn.Module, tokenizer, network: Network, settings: Settings, pooling: str) -> Any:
    """Give the head for a task: what to run for a text, and what score to read from the outputs."""
    return Classification(labels_of(model.config, model.config.num_labels), settings.score, network.two_sides)
