"""The model that a command explains, and the files that results are computed from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..samples import Steps
from .tracks import check_sequences

STEPS = Steps("sequences", "sequences")


def load_explainer(options: Mapping[str, Any], settings: Mapping[str, Any]):
    """Load a model, by options of the command line, for an explanation with settings."""
    from ...sequences import SequenceExplainer

    name = STEPS.model_of(options)
    chosen = {name: value for name, value in {**options, **settings}.items() if name != "model"}
    if chosen.get("reference") == "none":
        del chosen["reference"]
    return SequenceExplainer.from_pretrained(name, **chosen)


def load_sequences(path: Path, set_of: Mapping[str, Any], explainer: Any, tracks: Mapping[str, Any]) -> list[Any]:
    """Read the sequences of a file, and check that they can be written as tracks.

    Those of variants have the length that the model reads, if it is known.
    """
    from ...sequences import read_sequences

    length = set_of.get("length")
    if length is None and ".vcf" in path.suffixes:
        length = explainer.length
    sequences = read_sequences(path, set_of.get("genome"), length=length)
    check_sequences(sequences, explainer, tracks)
    return sequences


def inputs_of(sequences: Path, options: Mapping[str, Any], set_of: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files and folders that results are computed from, by what they are."""
    genome = {"genome": set_of["genome"]} if "genome" in set_of else {}
    return STEPS.inputs_of(options, sequences=sequences, **genome)
