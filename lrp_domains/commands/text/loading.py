"""The model that a command explains."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def explainer_of(model: str, *, rules: str = "ATTN_LRP", task: str = "", **options):
    """Load a model without the bars and notes of its library, which say nothing about the user's texts."""
    import lrp_domains

    from ...text import TextError, TextExplainer

    if not model:
        raise TextError(
            "name a model: --model FOLDER_OR_NAME; 'lrp-domains text train-demo --out FOLDER' makes a small one"
        )
    with quiet_library():
        return TextExplainer.from_pretrained(
            model, rules=getattr(lrp_domains, rules), task=task or None, **{k: v for k, v in options.items() if v}
        )


def key_of(model: str, explainer) -> str:
    """Name a model so that another one of the same name isn't taken for it."""
    folder = Path(model)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    known = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return repr((model, getattr(explainer.model.config, "_commit_hash", None), known))


@contextmanager
def quiet_library() -> Iterator[None]:
    """Let transformers say only what went wrong."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
