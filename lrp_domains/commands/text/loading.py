"""The model and the corpus that a command explains."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_COLUMNS = {"text_column": "text", "second_column": "second", "label_column": "label"}


def load_explainer(options: Mapping[str, Any], **settings: Any):
    """Load a model without the progress bars and messages of its library, which aren't about the user's texts.

    Parameters
    ----------
    options
        The name of the ``model``, and options of ``TextExplainer.from_pretrained``.
    settings
        How to explain.
    """
    from ...text import TextError, TextExplainer

    if not options.get("model"):
        raise TextError(
            "name a model: --model FOLDER_OR_NAME; 'lrp-domains text train-demo --out FOLDER' trains a small one"
        )
    options = dict(options)
    with quiet_library():
        return TextExplainer.from_pretrained(options.pop("model"), **options, **settings)


def load_corpus(path: str, columns: Mapping[str, str]):
    """Read a corpus from its file, by columns as named on the command line."""
    from ...text.corpora import read_corpus

    return read_corpus(path, **{_COLUMNS[option]: column for option, column in columns.items() if column})


def key_of(model: str, explainer) -> str:
    """Return a string that identifies a model, so that it isn't confused with another one of the same name."""
    folder = Path(model)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    return repr((model, getattr(explainer.model.config, "_commit_hash", None), stats))


@contextmanager
def quiet_library() -> Iterator[None]:
    """Temporarily limit the messages of transformers to errors."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
