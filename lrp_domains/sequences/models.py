"""A model of sequences that is on disk or on the hub, loaded with what it is known to read."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from ..domain import DomainError, device_of
from ..domain.models.declaration import read_declaration
from ..domain.models.network import declared_network
from ..domain.models.pretrained import preprocessing, pretrained

SCHEMA = files(__package__).joinpath("model.schema.yaml")


def declaration_of(name: str | Path) -> Path | None:
    """Return the declaration of a model: a .yaml file, or a folder's model.yaml; None for a model of transformers."""
    path = Path(name)
    path = path / "model.yaml" if (path / "model.yaml").is_file() else path
    return path if path.suffix in (".yaml", ".yml") else None


def load(
    name: str | Path, device: Any, *, revision: str | None, allow_code: bool, allow_pickle: bool
) -> dict[str, Any]:  # fmt: skip
    """Return the arguments of `SequenceExplainer` for a model that is declared, or one of transformers."""
    if (path := declaration_of(name)) is not None:
        declared = read_declaration(path, SCHEMA)
        network = declared_network(declared, path, allow_pickle=allow_pickle, allow_code=allow_code, unit="sequences")
        known = {key: declared[key] for key in declared.keys() - {"network", "arguments", "weights"}}
        return {"model": network, "device": device_of(device), **known}
    if Path(name).is_file():
        raise DomainError(f"'{name}' is a file: name the .yaml that declares the network, or a folder of transformers")
    options = {"allow_code": allow_code, "revision": revision}
    tokenizer = preprocessing("AutoTokenizer", name, **options)
    options |= {"purpose": "the classification of sequences", "may_lack": ("pooler",), "device": device}
    return {"model": pretrained("AutoModelForSequenceClassification", name, **options), "encode": tokenizer}
