"""What a function marks as explained: one tensor, several, or tensors by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .errors import RelevanceError

Tensor = torch.Tensor
Tensors = Sequence[Tensor]
Explained = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


def is_explainable(x: Tensor) -> bool:
    """Return whether a tensor can have relevance."""
    return x.is_floating_point() or x.is_complex()


def check_explainable(inputs: Tensors) -> None:
    """Raise if an input, such as token ids, can't have relevance."""
    for number, x in enumerate(inputs):
        if not is_explainable(x):
            raise RelevanceError(
                f"inputs[{number}] is {x.dtype}, which has no relevance: pass embeddings instead of token ids, or let "
                "the function return the tensors to explain beside the scores (see capture)"
            )


def tensors_of(explained: Tensor | Tensors | Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Return the tensors to explain in order."""
    if isinstance(explained, Tensor):
        return (explained,)
    return tuple(explained.values() if isinstance(explained, Mapping) else explained)


def structured(explained: Tensor | Tensors | Mapping[str, Tensor], tensors: tuple[Tensor, ...]) -> Explained:
    """Return tensors in the structure of those that are explained."""
    if isinstance(explained, Mapping):
        return dict(zip(explained, tensors, strict=True))
    return tensors[0] if isinstance(explained, Tensor) else tensors
