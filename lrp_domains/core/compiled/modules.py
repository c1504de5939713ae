"""The modules that a recording ran, and their state that is part of it: training mode, weights, submodules, hooks.

A recording shares its weights with the model, so updating them in place counts. Replacing one doesn't.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter, is_
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

Tensor = torch.Tensor
# These checks precede each call, so they loop in C.
_MODE = attrgetter("training")
_PROPERTIES = attrgetter("dtype", "requires_grad")


@dataclass
class RecordedModules:
    """The modules that were called and those inside them, with their state after the recording.

    Attributes
    ----------
    outermost
        The modules that were not inside others that were called before.
    modules, modes
        All modules, and whether they were in training mode.
    held, members
        The dictionaries where modules hold parameters, buffers, submodules and hooks, and these.
    empty
        Those without any.
    tensors, properties
        The parameters and buffers, and their properties that can be changed in place.
    """

    outermost: list[nn.Module] = field(default_factory=list)
    modules: list[nn.Module] = field(default_factory=list)
    modes: list[bool] = field(default_factory=list)
    held: list[dict[Any, Any]] = field(default_factory=list)
    members: list[Any] = field(default_factory=list)
    empty: list[dict[Any, Any]] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    properties: list[tuple] = field(default_factory=list)

    def unchanged(self) -> bool:
        """Return whether the modules are in the same mode, and have the same weights, submodules and hooks."""
        return (
            list(map(_MODE, self.modules)) == self.modes
            and not any(self.empty)
            and sum(map(len, self.held)) == len(self.members)
            and all(map(is_, chain.from_iterable(map(dict.values, self.held)), self.members))
            and list(map(_PROPERTIES, self.tensors)) == self.properties
        )

    def names(self, model: nn.Module | None) -> dict[int, str]:
        """Return the name of each parameter and buffer by its id: in the model if it is passed, or else in the module
        that was called; if several were, after its class and number."""
        roots = self.outermost if model is None else [model, *self.outermost]
        names: dict[int, str] = {}
        for number, module in enumerate(roots):
            is_named = module is model or len(roots) == 1
            prefix = "" if is_named else f"{type(module).__name__}_{number}."
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                names.setdefault(id(tensor), prefix + name)
        return names

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Temporarily record the modules that this thread calls."""
        seen: dict[nn.Module, None] = {}
        thread = threading.get_ident()

        def keep(module: nn.Module, args: tuple) -> None:
            if threading.get_ident() == thread and module not in seen:
                seen.update(dict.fromkeys(module.modules()))
                self.outermost.append(module)

        handle = register_module_forward_pre_hook(keep)
        try:
            yield
        finally:
            handle.remove()
        for module in seen:
            self._keep(module)
        self.properties += map(_PROPERTIES, self.tensors)

    def _keep(self, module: nn.Module) -> None:
        self.modules.append(module)
        self.modes.append(module.training)
        hooks = (module._forward_pre_hooks, module._forward_hooks)
        for held in (module._parameters, module._buffers, module._modules, *hooks):
            (self.held if held else self.empty).append(held)
            self.members += held.values()
            self.tensors += [member for member in held.values() if isinstance(member, Tensor)]
