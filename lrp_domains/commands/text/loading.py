"""The model and the corpus that a command explains."""

from collections.abc import Mapping
from typing import Any

DEMO = "demo"  # the name of the corpus that comes with the package
CHECK_AGAIN = "run 'lrp-domains text check' again"
_COLUMNS = {
    "text_column": "text",
    "second_column": "second",
    "label_column": "label",
    "reference_column": "reference",
    "on_error": "on_error",
}


def load_explainer(options: Mapping[str, Any], **settings: Any):
    """Load a model.

    Parameters
    ----------
    options
        The name of the ``model``, and options of ``TextExplainer.from_pretrained``.
    settings
        How to explain.
    """
    from ...text import TextExplainer

    _source(options)
    options = dict(options)
    return TextExplainer.from_pretrained(options.pop("model"), **options, **settings)


def load_corpus(path: str, columns: Mapping[str, str]):
    """Read a corpus from its file, by options of the command line: its columns, and what happens to invalid rows."""
    from ...demos.text.corpus import CORPUS
    from ...text.corpora import read_corpus

    return read_corpus(
        CORPUS if path == DEMO else path, **{_COLUMNS[option]: column for option, column in columns.items() if column}
    )


def on_error(columns: Mapping[str, str]) -> dict[str, str]:
    """Return what happens to invalid rows, as an option of the library; empty for its default."""
    return {"on_error": columns["on_error"]} if "on_error" in columns else {}


def inputs_of(corpus: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the files and folders that results are computed from, by what they are; the demo corpus is none.

    Parameters
    ----------
    corpus
        The file with the texts.
    options
        Those of `load_explainer`.
    """
    adapter = _adapter(options)
    inputs = {} if corpus == DEMO else {"corpus": corpus}
    inputs |= {"model": options["model"]}
    return inputs | ({"base model": adapter.base.name} if adapter else {})


def key_of(options: Mapping[str, Any]) -> str:
    """Return a string that identifies the weights and the tokenizer of a model, and of an adapter those of its base.

    Parameters
    ----------
    options
        Those of `load_explainer`.
    """
    adapter = _adapter(options)
    return repr([_source(options).version()] + ([adapter.base.version()] if adapter else []))


def _adapter(options: Mapping[str, Any]) -> Any:
    from ...text.loading.adapters import adapter_of

    return adapter_of(_source(options))


def _source(options: Mapping[str, Any]) -> Any:
    """Return where a model is; raise if none is named."""
    from ...domain.models.source import Source
    from ...text import TextError

    if not options.get("model"):
        raise TextError(
            "name a model: --model FOLDER_OR_NAME; 'lrp-domains text train-demo --out FOLDER' trains a small one"
        )
    return Source.of(options["model"], options.get("trust_remote_code", False), revision=options.get("revision"))
