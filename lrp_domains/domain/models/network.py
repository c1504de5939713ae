"""The network that a declaration names: exported, made by the user's code, or pickled."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..messages import DomainError, reason
from .declaration import beside
from .exported import exported_network
from .user_code import made_network, with_weights

PICKLES = (".pt", ".pth", ".pkl")


def declared_network(
    declared: Mapping[str, Any],
    path: str | Path,
    *,
    allow_pickle: bool = False,
    allow_code: bool = False,
    unit: str = "samples",
) -> nn.Module:
    """Load the network that a declaration names, in eval mode, on the CPU.

    Parameters
    ----------
    declared
        What `read_declaration` returned.
    path
        The declaration's file, next to which the others are.
    allow_pickle
        Whether the network may be unpickled, which executes any code in its file.
    allow_code
        Whether ``module:callable`` may be imported, from the declaration's folder or from an installed package, and
        called.
    unit
        What samples are called in messages: ``"cells"``, ``"pictures"``.

    Raises
    ------
    DomainError
        A file is missing or unreadable, the weights don't fit, or what is required isn't allowed.
    """
    name, path = declared["network"], Path(path)
    if ":" in name:
        return with_weights(made_network(declared, path, allow_code=allow_code), declared, path).eval()
    for key in ("weights", "arguments"):
        if key in declared:
            raise DomainError(f"'{path}' has '{key}', which is for a network as module:callable, not for a file")
    file = beside(name, path, "the network")
    if file.suffix == ".pt2":
        return exported_network(file, allow_pickle, unit)
    if file.suffix not in PICKLES:
        raise DomainError(
            f"'{file}' is not a network: expected a torch.export file (.pt2), module:callable with weights, or a pickle"
        )
    if not allow_pickle:
        raise DomainError(
            f"'{file}' is a pickle, which executes any code in it when it is read; better export the network "
            "(torch.export.save), or save its weights and name module:callable; if you trust the file, allow pickles "
            "(allow_pickle=True, --allow-pickle; in the workflow allow_pickle: true)"
        )
    return _unpickled(file).eval()


def _unpickled(file: Path) -> nn.Module:
    warnings.warn(f"'{file}' is unpickled, which executes the code it holds", stacklevel=4)
    try:
        network = torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever the pickle's code raises
        raise DomainError(f"'{file}' could not be unpickled: {reason(error)}") from error
    if not isinstance(network, nn.Module):
        raise DomainError(
            f"'{file}' holds a {type(network).__name__}, not a torch.nn.Module; for weights alone name module:callable"
        )
    return network
