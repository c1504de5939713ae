"""Models of several outputs."""

from typing import Any

from torch import Tensor

from ..messages import DomainError, choices


def output_of(outputs: Any, name: int | str | None) -> Tensor:
    """Return one of several outputs of a model by its name or number; None for the only one."""
    if name is not None and isinstance(outputs, Tensor):
        raise DomainError(f"there is no output {name!r}: the model returns one tensor, not several; pass None for it")
    try:
        tensor = outputs if name is None else outputs[name]
    except (KeyError, IndexError, TypeError) as error:
        names = outputs if isinstance(outputs, dict) else range(len(outputs)) if hasattr(outputs, "__len__") else ()
        raise DomainError(f"the model has no output {name!r}; {choices(name, names)}") from error
    if isinstance(tensor, Tensor):
        return tensor
    raise DomainError(f"the model returns a {type(tensor).__name__}, not a tensor: name one of its outputs")
