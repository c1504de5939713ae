"""The model that a command explains, and the files that results are computed from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..samples import Steps

STEPS = Steps("images", "pictures")


def load_explainer(options: Mapping[str, Any], **settings: Any):
    """Load a model, by options of the command line, for an explanation with settings."""
    import lrp_domains

    from ...images import ImageExplainer

    options = {"texts": options.get("text")} | {name: value for name, value in options.items() if name != "text"}
    options["name"] = STEPS.model_of(options)
    del options["model"]
    if "rules" in settings:
        name = settings["rules"].replace("-", "_")
        # Those that need the bounds of the model's input are functions.
        settings["rules"] = getattr(lrp_domains, name if name == "deep_taylor" else name.upper())
    return ImageExplainer.from_pretrained(**options, **settings)


def inputs_of(pictures: Path, options: Mapping[str, Any], set_of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files that results are computed from, by what they are; those of a table are all that it names."""
    from ...domain.files.sets import SEPARATORS
    from ...images.sets import files_of_set

    named: Any = pictures
    if pictures.suffix in SEPARATORS and pictures.is_file():
        files = files_of_set(pictures, set_of.get("label_column"), set_of.get("mask_column"))
        named = [pictures, *files.paths, *(files.beside or ())]
    return STEPS.inputs_of(options, pictures=named)
