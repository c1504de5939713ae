"""Models by name: a declared network, or else one of transformers."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import torch

from ..hardware.device import device_of
from ..messages import DomainError
from .declaration import read_declaration
from .files import declared_files
from .network import declared_network
from .source import Source

DECLARATION = "model.yaml"  # in the folder of a declared model
OF_NETWORK = {"network", "arguments", "weights"}


def declaration_of(name: str | Path) -> Path | None:
    """Return the declaration of a model, ``.yaml`` or in a folder ``model.yaml``; None for a model of transformers."""
    path = Path(name)
    path = path / DECLARATION if (path / DECLARATION).is_file() else path
    return path if path.suffix in (".yaml", ".yml") else None


def load_declared(
    name: str | Path,
    schema: Traversable,
    *,
    unit: str,
    device: str | torch.device | None = None,
    allow_code: bool = False,
    allow_pickle: bool = False,
) -> dict[str, Any] | None:
    """Return a declared network, ``model``, and what else its declaration says; None for a model of transformers.

    Parameters
    ----------
    name
        A ``.yaml`` file, or a folder; or the name of a model of transformers.
    schema
        The domain's own keys, see `read_declaration`.
    unit
        What samples are called in messages.
    device
        Where the network goes; None: a GPU if there is one.
    allow_code, allow_pickle
        See `declared_network`.
    """
    if (path := declaration_of(name)) is None:
        if Path(name).is_file():
            raise DomainError(
                f"'{name}' is a file: name the .yaml that declares the network, or a folder of transformers"
            )
        if Path(name).is_dir() and not Path(name, "config.json").is_file():
            raise DomainError(
                f"the folder '{name}' has no model: neither the declaration of a network, {DECLARATION}, nor "
                "config.json, as save_pretrained() writes it"
            )
        return None
    declared = read_declaration(path, schema)
    network = declared_network(declared, path, allow_pickle=allow_pickle, allow_code=allow_code, unit=unit)
    known = {key: value for key, value in declared.items() if key not in OF_NETWORK}
    return {"model": network.to(device_of(device))} | known


def model_files(name: str | Path, schema: Traversable) -> dict[str, Path]:
    """Return the files of a model by what they are: all that it declares, or its folder."""
    if (path := declaration_of(name)) is None:
        return {"model": Path(name)}
    return declared_files(read_declaration(path, schema), path)


def model_version(name: str | Path, schema: Traversable, revision: str | None = None) -> str:
    """Return a string that identifies the weights of a model: its files, or the commit on the hub."""
    if declaration_of(name) is None:
        return Source.of(name, False, revision=revision).version()
    named = sorted(model_files(name, schema).values())
    files = [file for path in named for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    # Importing code writes a __pycache__.
    files = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return repr([(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files])
