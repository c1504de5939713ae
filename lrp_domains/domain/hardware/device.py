"""The device, the dtype and the mode of a model."""

import inspect
from functools import cache
from types import CodeType

import torch
from torch import Tensor, nn

from ..messages import DomainError, reason


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
    """Raise if a model is in training mode and computes something else there, such as dropout.

    Every module is checked, because modes may differ from module to module. A module whose methods don't read
    ``training``, such as `torch.nn.Linear`, computes the same in both modes.
    """
    for name, module in model.named_modules():
        if module.training and _reads_its_mode(type(module)):
            kind = type(module).__name__
            raise DomainError(
                f"the model is in training mode ('{name or kind}', {kind}), where each pass may differ and batch norms "
                "change: call model.eval()"
            )


@cache
def _reads_its_mode(kind: type) -> bool:
    """Return whether a method of a class, or of a class it is derived from, reads an attribute ``training``."""
    # The layers of bitsandbytes read it only to choose a kernel.
    classes = [base for base in kind.__mro__[: kind.__mro__.index(nn.Module)] if not _is_of(base, "bitsandbytes")]
    methods = [inspect.unwrap(method) for base in classes for method in vars(base).values() if callable(method)]
    return any(_names(method.__code__, "training") for method in methods if inspect.isfunction(method))


def _is_of(kind: type, package: str) -> bool:
    return kind.__module__.partition(".")[0] == package


def _names(code: CodeType, name: str) -> bool:
    """Return whether code, or a function defined in it, uses a name."""
    return name in code.co_names or any(_names(inner, name) for inner in code.co_consts if isinstance(inner, CodeType))
