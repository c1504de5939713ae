"""The declaration of a model, a .yaml file: read, and checked against its schema."""

from importlib import resources
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from ...domain import reason
from ..errors import CohortError, choices


def read_declaration(path: Path) -> dict:
    """Read a declaration; raise with everything that is wrong in it."""
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CohortError(f"'{path}' is not YAML: {reason(error)}") from error
    schema = yaml.safe_load(resources.files(__package__).joinpath("declaration.schema.yaml").read_text())
    keys = schema["properties"]
    for key in declared if isinstance(declared, dict) else ():
        if key not in keys:
            raise CohortError(f"'{path}' has an unknown key '{key}'; {choices(key, keys)}")
    wrong = [
        f"{'.'.join(map(str, error.absolute_path)) or 'it'}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(declared)
    ]
    if wrong:
        raise CohortError(f"'{path}' doesn't declare a model: {'; '.join(wrong)}")
    return declared


def beside(name: str, path: Path, what: str) -> Path:
    """Return the path of a file that a declaration names relative to itself."""
    file = path.parent / name
    if not file.is_file():
        raise CohortError(f"'{path}' names {what} '{name}', but there is no file '{file}'")
    return file
