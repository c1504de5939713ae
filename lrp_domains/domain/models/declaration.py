"""The declaration of a model, a .yaml file: read, and checked against the schema of its domain."""

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from ..messages import DomainError, choices, reason


def read_declaration(path: str | Path, schema: Traversable | Mapping[str, Any]) -> dict[str, Any]:
    """Read a declaration; raise with everything that is wrong in it.

    Parameters
    ----------
    path
        A .yaml file.
    schema
        The domain's own keys, a JSON schema or its .yaml file: ``properties``, and which of them are ``required``. The
        keys of ``lrp_domains/domain/models/network.schema.yaml`` (``network``, ``arguments``, ``weights``, ``classes``)
        are added to them.

    Raises
    ------
    DomainError
        The file is missing or isn't YAML, a key is unknown or missing, or a value isn't what the schema says.
    """
    path = Path(path)
    if not path.is_file():
        raise DomainError(f"there is no file '{path}'")
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DomainError(f"'{path}' is not YAML: {reason(error)}") from error

    schema = _with_network(schema if isinstance(schema, Mapping) else _read(schema))
    keys = schema["properties"]
    for key in declared if isinstance(declared, dict) else ():
        if key not in keys:
            raise DomainError(f"'{path}' has an unknown key '{key}'; {choices(key, keys)}")
    wrong = [
        f"{'.'.join(map(str, error.absolute_path)) or 'it'}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(declared)
    ]
    if wrong:
        raise DomainError(f"'{path}' doesn't declare a model: {'; '.join(wrong)}")
    return declared


def beside(name: str, path: Path, what: str) -> Path:
    """Return the path of a file that a declaration names relative to itself."""
    file = path.parent / name
    if not file.is_file():
        raise DomainError(f"'{path}' names {what} '{name}', but there is no file '{file}'")
    return file


def _with_network(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the keys of a network, as far as it has none of their names itself."""
    network = _read(resources.files(__package__).joinpath("network.schema.yaml"))
    return {
        **network,
        **schema,
        "required": list(dict.fromkeys([*network["required"], *schema.get("required", ())])),
        "properties": {**network["properties"], **schema.get("properties", {})},
    }


def _read(schema: Traversable) -> dict[str, Any]:
    return yaml.safe_load(schema.read_text(encoding="utf-8"))
