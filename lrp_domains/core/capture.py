"""Capture intermediate results of a forward pass, to explain heads, neurons and layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase

import torch

from .errors import RelevanceError

Tensor = torch.Tensor


class Captured(Mapping[str, Tensor]):
    """The captured outputs by module name; a module's second call is ``name:2``, and so on."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}

    def _keep(self, name: str, tensor: Tensor) -> None:
        calls = sum(key == name or key.startswith(f"{name}:") for key in self._tensors)
        self._tensors[f"{name}:{calls + 1}" if calls else name] = tensor

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise KeyError(
                f"{name!r} was not called in the forward pass; kept: {', '.join(self._tensors) or 'nothing'}"
            )
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


@contextmanager
def capture(model: torch.nn.Module, *globs: str) -> Iterator[Captured]:
    """Temporarily capture the outputs of the modules whose names match a glob, in the forward passes run inside.

    If a module returns a tuple or a mapping, its first floating-point tensor is kept. An output that no gradient would
    reach, such as a frozen embedding's, is made to require grad, without changing its values.

    Parameters
    ----------
    model
        Any module; its hooks are removed at the end of the block, also after an exception.
    globs
        Patterns over the names of ``model.named_modules()``, such as ``"encoder.layer.*.attention"``; ``""`` is the
        model itself.

    Examples
    --------
    >>> with capture(model, "layers.*") as kept:
    ...     score = model(x)[:, 0]
    >>> relevance(score, list(kept.values()))
    """
    chosen = [(name, m) for name, m in model.named_modules() if any(fnmatchcase(name, glob) for glob in globs)]
    if not chosen:
        raise RelevanceError(f"no module matches {' or '.join(map(repr, globs))}; see dict(model.named_modules())")

    kept = Captured()

    def keep(name: str):
        def hook(module, args, output):
            tensor = _first_tensor(output)
            if tensor is None:
                raise RelevanceError(f"module {name!r} returns no floating-point tensor to keep")
            if not tensor.requires_grad and torch.is_grad_enabled():
                # A leaf can't be changed in place, as some models do with their outputs, but its clone can.
                fresh = tensor.detach().requires_grad_().clone()
                output, tensor = _replaced(output, tensor, fresh), fresh
            kept._keep(name, tensor)
            return output

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in chosen]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def _first_tensor(output) -> Tensor | None:
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((tensor for part in parts if (tensor := _first_tensor(part)) is not None), None)


def _replaced(output, old: Tensor, new: Tensor):
    """Return the same structure with one tensor replaced by another."""
    if output is old:
        return new
    if isinstance(output, Mapping):
        for key, part in output.items():
            output[key] = _replaced(part, old, new)
        return output
    if isinstance(output, tuple | list):
        parts = [_replaced(part, old, new) for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output
