"""A model of sequences that is on disk or on the hub, loaded with what it is known to read."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from ..domain import load_declared, preprocessing, pretrained
from .scores import declared_score

SCHEMA = files(__package__).joinpath("model.schema.yaml")


def load(name: str | Path, *, revision: str | None, allow_pickle: bool, **options: Any) -> dict[str, Any]:
    """Return the arguments of `SequenceExplainer` for a model that is declared, or one of transformers."""
    declared = load_declared(name, SCHEMA, unit="sequences", allow_pickle=allow_pickle, **options)
    if declared is not None:
        named = {"score": declared_score(declared["score"])} if "score" in declared else {}
        return declared | named
    tokenizer = preprocessing("AutoTokenizer", name, allow_code=options["allow_code"], revision=revision)
    model = pretrained(
        "AutoModelForSequenceClassification",
        name,
        purpose="the classification of sequences",
        may_lack=("pooler",),
        revision=revision,
        **options,
    )
    return {"model": model, "encode": tokenizer}
