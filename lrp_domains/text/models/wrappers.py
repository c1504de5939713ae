"""The model inside wrappers that compute the same, and the inputs that it accepts."""

import inspect
from typing import Any

from torch import nn


def unwrapped(model: Any) -> Any:
    """Return the module inside `torch.nn.DataParallel` and the like, and inside what `torch.compile` returns."""
    while isinstance(model, nn.Module):
        if isinstance(getattr(model, "_orig_mod", None), nn.Module):  # torch.compile
            model = model._orig_mod
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            break
    return model


def plain_model(model: nn.Module) -> nn.Module:
    """Return the model of transformers inside an adapter of PEFT, or the model itself."""
    base_model = getattr(model, "get_base_model", None)
    return base_model() if callable(base_model) else model


def accepted_inputs(model: nn.Module) -> frozenset[str] | None:
    """Return the names of a model's arguments, of the model inside its wrappers; None if it accepts any."""
    plain = unwrapped(plain_model(model))
    parameters = inspect.signature(plain.forward).parameters
    # A forward that names its tokens names all its arguments; one that only passes arguments on takes everything.
    return frozenset(parameters) if "input_ids" in parameters else None
