"""Networks that the user's own code makes, and their weights."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from ..errors import CohortError, choices, listed
from .declaration import beside


def made_network(declared: dict, path: Path) -> nn.Module:
    """Call the user's own code."""
    module, _, name = declared["network"].partition(":")
    found = _imported(module, path)
    made = found
    for part in name.split("."):  # a class's from_pretrained is a callable as well
        made = getattr(made, part, None)
    if not callable(made):
        known = [one for one in vars(found) if not one.startswith("_")]
        raise CohortError(f"the module '{module}' has no callable '{name}'; {choices(name, known)}")
    try:
        network = made(**declared.get("arguments", {}))
    except Exception as error:  # whatever the user's code raises
        raise CohortError(
            f"'{declared['network']}' could not be called with {declared.get('arguments', {})}: "
            f"{(str(error) or repr(error)).splitlines()[0]}"
        ) from error
    if not isinstance(network, nn.Module):
        raise CohortError(f"'{declared['network']}' gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def _imported(name: str, path: Path) -> ModuleType:
    """Import a module that is installed, or lies beside the declaration."""
    top = name.partition(".")[0]
    try:
        with on_the_path(path.parent):
            found = import_module(name)
    except Exception as error:  # the module's code may raise whatever it likes
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise CohortError(
            f"the module '{name}' of '{path}' could not be imported: {kind}{error}; install it, put it beside the "
            "file, or mend it"
        ) from error
    beside = [path.parent / f"{top}.py", path.parent / top / "__init__.py"]
    there = Path(getattr(sys.modules[top], "__file__", None) or "built-in")
    if any(one.is_file() for one in beside) and there.resolve() not in [one.resolve() for one in beside]:
        raise CohortError(
            f"the module '{top}' beside '{path}' was not imported, for another of that name already was, from "
            f"'{there}'; give it a name of its own"
        )
    return found


def with_weights(network: nn.Module, declared: dict, path: Path) -> nn.Module:
    """Read the declared weights into a network, if they are its own."""
    if "weights" not in declared:
        if declared["network"].endswith(".from_pretrained"):  # brings its own
            return network
        warnings.warn(
            f"'{path}' names no weights, so '{declared['network']}' is explained with those that it is made with",
            stacklevel=4,
        )
        return network
    file = beside(declared["weights"], path, "the weights")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zip and pickle raise many kinds
        raise CohortError(
            f"'{file}' could not be read as weights: {(str(error) or repr(error)).splitlines()[0]}; write them with "
            "torch.save(network.state_dict(), ...) or safetensors"
        ) from error
    if not isinstance(weights, dict):
        raise CohortError(f"'{file}' holds a {type(weights).__name__}, not weights by name")
    nested = [name for name, value in weights.items() if not isinstance(value, torch.Tensor)]
    if nested and (inner := [name for name in nested if isinstance(weights[name], dict)]):
        raise CohortError(
            f"'{file}' holds weights and more ({listed(nested, 4)}); keep the weights alone: "
            f"torch.save(torch.load(...)['{inner[0]}'], ...)"
        )
    own = network.state_dict()
    missing, strange = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
    shapes = [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if missing or strange or shapes:
        parts = [f"missing: {listed(missing, 4)}"] if missing else []
        parts += [f"unknown: {listed(strange, 4)}"] if strange else []
        raise CohortError(f"'{file}' does not fit '{declared['network']}': {'; '.join(parts + shapes[:4])}")
    network.load_state_dict(weights)
    return network


@contextmanager
def on_the_path(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
