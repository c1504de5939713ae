"""Inputs of a model beside the text, such as numbers of a table: one per text, joined to batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...domain import parameter_of
from ..errors import TextError
from .network import Network


def check_extra(network: Network, extra: Any) -> None:
    """Raise if a model takes no inputs beside the text, or if these are not numbers."""
    if not network.takes_extra:
        raise TextError("extra= is for models from outside transformers, see TextExplainer.from_parts: leave it out")
    for value in extra.values() if isinstance(extra, Mapping) else [extra]:
        try:
            torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TextError(f"extra={extra!r}: expected numbers, a tensor, or a dict of these") from error


def batch_of(extras: Sequence[Any], network: Network) -> Tensor | dict[str, Tensor] | None:
    """Return the inputs beside B texts as one tensor, B x ..., or as a dict of such; None if there are none."""
    if all(extra is None for extra in extras):
        return None
    if all(isinstance(extra, Mapping) for extra in extras) and len({frozenset(extra) for extra in extras}) == 1:
        return {name: _stacked([extra[name] for extra in extras], network, f" '{name}'") for name in extras[0]}
    if any(extra is None or isinstance(extra, Mapping) for extra in extras):
        raise TextError("extra= differs in its form from text to text: pass numbers, or the same keys, for each")
    return _stacked(extras, network, "")


def _stacked(values: Sequence[Any], network: Network, name: str) -> Tensor:
    tensors = [torch.as_tensor(value) for value in values]
    shapes = {tuple(tensor.shape) for tensor in tensors}
    if len(shapes) > 1:
        raise TextError(f"extra={name} has the shapes {sorted(shapes)}: each text has numbers of the same shape")
    tensor = torch.stack(tensors).to(network.device)
    return tensor.to(parameter_of(network.module).dtype) if tensor.is_floating_point() else tensor
