"""Where and how a model computes: its device, its dtype, its mode."""

import torch
from torch import Tensor, nn

from .messages import DomainError, reason


def device_of(device: str | torch.device | None) -> torch.device:
    """Return a device after checking that it is available; None is a GPU if there is one, else the CPU."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise DomainError(f"there is no device '{device}' here: {reason(error)}; use 'cpu'") from error


def parameter_of(module: nn.Module) -> Tensor:
    """Return a tensor with the dtype and device that the inputs of a module must have."""
    return next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(()))


def refuse_training_mode(model: nn.Module) -> None:
    """Raise if a model computes something else in training mode and is in it, as with active dropout.

    Every module is looked at, for modes may differ from module to module. A module whose ``forward`` doesn't read
    ``training``, such as `torch.nn.Linear`, computes the same in both modes.
    """
    for name, module in model.named_modules():
        code = getattr(type(module).forward, "__code__", None)
        if module.training and code is not None and "training" in code.co_names:
            kind = type(module).__name__
            raise DomainError(
                f"the model is in training mode ('{name or kind}', {kind}), where each pass may differ and batch norms "
                "change: call model.eval()"
            )
