"""An explainer of a model that is on disk or on the hub."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from ..domain import DomainError, device_of
from ..domain.models.declaration import read_declaration
from ..domain.models.network import declared_network
from ..domain.models.pretrained import preprocessing, pretrained
from .explainer import SequenceExplainer

SCHEMA = files(__package__).joinpath("model.schema.yaml")


def declaration_of(name: str | Path) -> Path | None:
    """Return the declaration of a model: a .yaml file, or a folder's model.yaml; None for a model of transformers."""
    path = Path(name)
    path = path / "model.yaml" if (path / "model.yaml").is_file() else path
    return path if path.suffix in (".yaml", ".yml") else None


def load(
    name: str | Path, *, device: Any = None, revision: str | None = None, allow_code: bool = False,
    allow_pickle: bool = False, **settings: Any
) -> SequenceExplainer:  # fmt: skip
    """Return the explainer of a model.

    Parameters
    ----------
    name
        The ``.yaml`` file that declares your own network, or a folder with a ``model.yaml``; else a classifier of
        transformers with its tokenizer, a folder or a name on the hub. See ``model.schema.yaml`` for the keys.
    device
        None: a GPU if there is one.
    revision
        The branch, tag or commit of a model on the hub.
    allow_code, allow_pickle
        Whether code that a model names may be run, and whether it may be unpickled.
    settings
        Of `SequenceExplainer`; they take precedence over what is declared.
    """
    if (path := declaration_of(name)) is not None:
        declared = read_declaration(path, SCHEMA)
        network = declared_network(declared, path, allow_pickle=allow_pickle, allow_code=allow_code, unit="sequences")
        known = {key: declared[key] for key in declared.keys() - {"network", "arguments", "weights"}}
        return SequenceExplainer(network, device=device_of(device), **known | settings)
    if Path(name).is_file():
        raise DomainError(f"'{name}' is a file: name the .yaml that declares the network, or a folder of transformers")
    options = {"allow_code": allow_code, "revision": revision}
    tokenizer = preprocessing("AutoTokenizer", name, **options)
    purpose = {"purpose": "the classification of sequences", "may_lack": ("pooler",)}
    model = pretrained("AutoModelForSequenceClassification", name, device=device, **purpose, **options)
    return SequenceExplainer(model, encode=tokenizer, **settings)
