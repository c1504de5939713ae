"""The model that a command explains, and the files that results are computed from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECK_AGAIN = "run 'lrp-domains images check' again"


def load_explainer(options: Mapping[str, Any], **settings: Any):
    """Load a model, by options of the command line, for an explanation with settings."""
    import lrp_domains

    from ...domain import DomainError
    from ...images import ImageExplainer

    options = dict(options)
    if not options.get("model"):
        raise DomainError(
            "name a model: --model FOLDER_OR_NAME; 'lrp-domains images train-demo --out FOLDER' trains two small ones"
        )
    texts = options.pop("text", None)
    if "rules" in settings:
        name = settings["rules"].replace("-", "_")
        # Those that need the bounds of the model's input are functions.
        settings["rules"] = getattr(lrp_domains, name if name == "deep_taylor" else name.upper())
    return ImageExplainer.from_pretrained(options.pop("model"), texts=texts, **options, **settings)


def inputs_of(pictures: Path, options: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files and folders that results are computed from, by what they are.

    Of the pictures of a table that is the table alone, and a declared model is all that its declaration names.
    """
    from ...domain.models.declaration import read_declaration
    from ...domain.models.files import declared_files
    from ...images.network import SCHEMA, declaration_of

    model = options.get("model") or ""
    if (declaration := declaration_of(model)) is None:
        return {"pictures": pictures, "model": Path(model)}
    return {"pictures": pictures} | declared_files(read_declaration(declaration, SCHEMA), declaration)


def key_of(options: Mapping[str, Any]) -> str:
    """Return a string that identifies the weights of a model."""
    from ...domain.models.source import Source

    files = inputs_of(Path(), options)
    source = Source.of(options["model"], False, revision=options.get("revision"))
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files.values() if path.is_file()]
    return repr((states or source.version(), options.get("text")))
