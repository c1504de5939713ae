"""What the user's code makes, such as a network, and the weights of it."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..messages import DomainError, choices, listed, reason
from .declaration import beside


def declared_callable(name: str, path: Path, *, allow_code: bool, instead: str = "") -> Callable[..., Any]:
    """Return the callable that a declaration names as ``module:callable``, imported if code is allowed.

    Parameters
    ----------
    name
        The module, which is installed or is next to the declaration, and the callable.
    path
        The declaration.
    allow_code
        Whether the module may be imported, which executes it.
    instead
        What is better than allowing it, for the message if it isn't.
    """
    if not allow_code:
        better = f"better {instead}; " if instead else ""
        raise DomainError(
            f"'{path}' names '{name}', code that is executed when the model is loaded; {better}if you trust the "
            "declaration and the files next to it, allow code (allow_code=True, --allow-code; in the workflow "
            "allow_code: true)"
        )
    name, _, attribute = name.partition(":")
    module = _imported(name, path)
    found: Any = module
    for part in attribute.split("."):  # the from_pretrained of a class is a callable as well
        found = getattr(found, part, None)
    if not callable(found):
        public = [public for public in vars(module) if not public.startswith("_")]
        raise DomainError(f"the module '{name}' has no callable '{attribute}'; {choices(attribute, public)}")
    return found


def made_network(declared: dict[str, Any], path: Path, *, allow_code: bool) -> nn.Module:
    """Make the declared network by calling the user's code."""
    export = "export the network (torch.export.save)"
    make = declared_callable(declared["network"], path, allow_code=allow_code, instead=export)
    try:
        network = make(**declared.get("arguments", {}))
    except Exception as error:  # whatever the user's code raises
        raise DomainError(
            f"'{declared['network']}' could not be called with {declared.get('arguments', {})}: {reason(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise DomainError(f"'{declared['network']}' returns a {type(network).__name__}, not a torch.nn.Module")
    return network


def _imported(name: str, path: Path) -> ModuleType:
    """Import a module that is installed, or is next to the declaration."""
    top = name.partition(".")[0]
    try:
        with importable(path.parent):
            module = import_module(name)
    except Exception as error:  # the module's code may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise DomainError(
            f"the module '{name}' of '{path}' could not be imported: {kind}{error}; install it, place it next to the "
            "file, or fix it"
        ) from error

    # Python imports a module once per name, so another one of this name may have been imported before.
    candidates = [path.parent / f"{top}.py", path.parent / top / "__init__.py"]
    imported = Path(getattr(sys.modules[top], "__file__", None) or "built-in")
    if any(file.is_file() for file in candidates) and imported.resolve() not in [file.resolve() for file in candidates]:
        raise DomainError(
            f"the module '{top}' next to '{path}' was not imported, because another of that name already was, from "
            f"'{imported}'; rename it"
        )
    return module


def with_weights(network: nn.Module, declared: dict[str, Any], path: Path) -> nn.Module:
    """Load the declared weights into a network, after checking that they fit."""
    if "weights" not in declared:
        if not declared["network"].endswith(".from_pretrained"):  # which loads weights itself
            warnings.warn(
                f"'{path}' names no weights, so '{declared['network']}' is explained with its initial ones",
                stacklevel=4,
            )
        return network

    file = beside(declared["weights"], path, "the weights")
    weights = _read_weights(file)
    expected = network.state_dict()
    missing, unknown = sorted(set(expected) - set(weights)), sorted(set(weights) - set(expected))
    shapes = [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(expected[name].shape)}"
        for name in expected
        if name in weights and weights[name].shape != expected[name].shape
    ]
    if missing or unknown or shapes:
        parts = [f"missing: {listed(missing, 4)}"] if missing else []
        parts += [f"unknown: {listed(unknown, 4)}"] if unknown else []
        raise DomainError(f"'{file}' does not fit '{declared['network']}': {'; '.join(parts + shapes[:4])}")
    network.load_state_dict(weights)
    return network


def _read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Read weights by name from a .safetensors or .pt file, without executing anything in it."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zip and pickle raise many kinds
        raise DomainError(
            f"'{file}' could not be read as weights: {reason(error)}; write them with "
            "torch.save(network.state_dict(), ...) or safetensors"
        ) from error
    if not isinstance(weights, dict):
        raise DomainError(f"'{file}' holds a {type(weights).__name__}, not weights by name")
    others = [name for name, value in weights.items() if not isinstance(value, torch.Tensor)]
    if inner := [name for name in others if isinstance(weights[name], dict)]:
        raise DomainError(
            f"'{file}' holds weights and more ({listed(others, 4)}); save only the weights: "
            f"torch.save(torch.load(...)['{inner[0]}'], ...)"
        )
    return weights


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Temporarily make the modules in a folder importable."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
