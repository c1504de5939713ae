"""The declaration of a model of expression, a .yaml file."""

from importlib import resources
from pathlib import Path
from typing import Any

from ...domain import read_declaration


def declaration_of(path: Path) -> dict[str, Any]:
    """Read a declaration; raise with everything that is wrong in it."""
    return read_declaration(path, resources.files(__package__).joinpath("declaration.schema.yaml"))
