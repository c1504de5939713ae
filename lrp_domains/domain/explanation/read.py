"""What a domain reads of a forward pass: its sources, and the units that they stand for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

Units = TypeVar("Units")


@dataclass(frozen=True)
class Read(Generic[Units]):
    """One forward pass over a batch of samples.

    Attributes
    ----------
    outputs
        What the model returned, with its graph.
    sources
        The tensors to explain: an input, or the outputs of embeddings.
    per_unit
        From the relevance of each source, of its shape, to the relevance of units: genes, tokens, pixels.
    """

    outputs: Any
    sources: tuple[Tensor, ...]
    per_unit: Callable[[Sequence[Tensor]], Units]
