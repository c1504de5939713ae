"""The model that a command explains, and the files that results are computed from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..samples import Steps

STEPS = Steps("sequences", "sequences")


def load_explainer(options: Mapping[str, Any], settings: Mapping[str, Any]):
    """Load a model, by options of the command line, for an explanation with settings."""
    from ...sequences import SequenceExplainer

    name = STEPS.model_of(options)
    chosen = {name: value for name, value in {**options, **settings}.items() if name != "model"}
    if chosen.get("reference") == "none":
        del chosen["reference"]
    return SequenceExplainer.from_pretrained(name, **chosen)


def load_sequences(path: Path, set_of: Mapping[str, Any], explainer: Any) -> list[Any]:
    """Read the sequences of a file; those of variants have the length that the model reads, if it is known."""
    from ...sequences import read_sequences

    length = set_of.get("length")
    if length is None and ".vcf" in path.suffixes:
        length = explainer.length
    return read_sequences(path, set_of.get("genome"), length=length)


def inputs_of(sequences: Path, options: Mapping[str, Any], set_of: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files and folders that results are computed from, by what they are."""
    from ...domain import model_files
    from ...sequences.models import SCHEMA

    genome = {"genome": set_of["genome"]} if "genome" in set_of else {}
    return {"sequences": sequences} | genome | model_files(STEPS.model_of(options), SCHEMA)


def key_of(options: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return a string that identifies the weights of a model, and the settings that results depend on."""
    from ...domain import model_version
    from ...sequences.models import SCHEMA

    asked = sorted((name, str(value)) for name, value in settings.items() if name != "batch_size")
    return repr((model_version(options["model"], SCHEMA, options.get("revision")), asked))
