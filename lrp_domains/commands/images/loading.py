"""The model that a command explains."""

from collections.abc import Mapping
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
