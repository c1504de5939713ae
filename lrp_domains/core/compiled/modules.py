"""The modules that a recording ran, and their state that is part of it: training mode, and which parameters they have.

A recording shares its weights with the model, so updating them in place counts. Replacing a parameter doesn't.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook


@dataclass
class RecordedModules:
    """The modules that were called, with their state at that time."""

    training: list[tuple[nn.Module, bool]] = field(default_factory=list)
    parameters: list[tuple[dict[str, nn.Parameter | None], str, nn.Parameter | None, torch.dtype | None]] = field(
        default_factory=list
    )

    def unchanged(self) -> bool:
        """Return whether the modules are in the same mode and have the same parameters."""
        return all(module.training is mode for module, mode in self.training) and all(
            held.get(name) is parameter and (parameter is None or parameter.dtype is dtype)
            for held, name, parameter, dtype in self.parameters
        )

    def names(self) -> dict[int, str]:
        """Return the name of each parameter and buffer, by its id, in the outermost module that has it."""
        names: dict[int, str] = {}
        for module, _ in self.training:  # a module is called before the modules inside it
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                names.setdefault(id(tensor), name)
        return names

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Temporarily record the modules that are called."""
        seen: set[nn.Module] = set()

        def keep(module: nn.Module, args: tuple) -> None:
            if module not in seen:
                seen.add(module)
                self.training.append((module, module.training))
                held = module._parameters
                self.parameters += [(held, name, p, None if p is None else p.dtype) for name, p in held.items()]

        handle = register_module_forward_pre_hook(keep)
        try:
            yield
        finally:
            handle.remove()
