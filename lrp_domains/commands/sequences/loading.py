"""The model that a command explains, and the files that results are computed from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECK_AGAIN = "run 'lrp-domains sequences check' again"


def load_explainer(options: Mapping[str, Any], settings: Mapping[str, Any]):
    """Load a model, by options of the command line, for an explanation with settings."""
    from ...domain import DomainError
    from ...sequences import SequenceExplainer

    if not options.get("model"):
        raise DomainError(
            "name a model: --model FOLDER_OR_NAME; 'lrp-domains sequences train-demo --out FOLDER' trains two"
        )
    settings = dict(settings)
    if settings.get("reference") == "none":
        del settings["reference"]
    options = dict(options)
    return SequenceExplainer.from_pretrained(options.pop("model"), **options, **settings)


def load_sequences(path: Path, set_of: Mapping[str, Any], explainer: Any) -> list[Any]:
    """Read the sequences of a file; those of variants have the length that the model reads, if it is known."""
    from ...sequences import read_sequences

    length = set_of.get("length")
    if length is None and ".vcf" in path.suffixes:
        length = explainer.length
    return read_sequences(path, set_of.get("genome"), length=length)


def inputs_of(sequences: Path, options: Mapping[str, Any], set_of: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files and folders that results are computed from, by what they are."""
    from ...domain.models.declaration import read_declaration
    from ...domain.models.files import declared_files
    from ...sequences.models import SCHEMA, declaration_of

    model = options.get("model") or ""
    inputs = {"sequences": sequences} | ({"genome": set_of["genome"]} if "genome" in set_of else {})
    if (declaration := declaration_of(model)) is None:
        return inputs | {"model": Path(model)}
    return inputs | declared_files(read_declaration(declaration, SCHEMA), declaration)


def key_of(options: Mapping[str, Any], *asked: Mapping[str, Any]) -> str:
    """Return a string that identifies the weights of a model and what is asked."""
    from ...domain.models.source import Source

    files = inputs_of(Path(), options, {})
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files.values() if path.is_file()]
    version = states or Source.of(options["model"], False, revision=options.get("revision")).version()
    return repr((version, *(sorted((name, str(value)) for name, value in each.items()) for each in asked)))
