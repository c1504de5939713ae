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


def inputs_of(pictures: Path, options: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files and folders that results are computed from, by what they are.

    Of the pictures of a table that is the table alone, and a declared model is all that its declaration names.
    """
    from ...domain import model_files
    from ...images.network import SCHEMA

    return {"pictures": pictures} | model_files(STEPS.model_of(options), SCHEMA)


def key_of(options: Mapping[str, Any]) -> str:
    """Return a string that identifies the weights of a model."""
    from ...domain import model_version
    from ...images.network import SCHEMA

    return repr((model_version(options["model"], SCHEMA, options.get("revision")), options.get("text")))
