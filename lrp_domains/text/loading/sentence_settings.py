"""What a model of sentence-transformers says about its texts beside the tokenizer: their length and their case."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

from ...domain.models.source import NotLookedUpError, Source
from ..errors import TextError

# Older versions of sentence-transformers named the file by the kind of the transformer.
_KINDS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")


def text_settings(folder: Source) -> Mapping[str, Any]:
    """Return the settings of a folder: ``max_seq_length`` and ``do_lower_case``, as far as it has them."""
    try:
        for kind in _KINDS:
            if path := folder.lookup(f"sentence_{kind}_config.json"):
                return json.loads(path.read_text(encoding="utf-8"))
    except NotLookedUpError:
        warnings.warn(
            f"the length and case of texts of '{folder.name}' are unknown, as its sentence_bert_config.json is not in "
            "the cache and could not be downloaded: those of its tokenizer are used; load the model once while the hub "
            "can be reached",
            stacklevel=7,
        )
    return {}


def fit_tokenizer(tokenizer: Any, settings: Mapping[str, Any]) -> Any:
    """Set the length of a tokenizer, and make it lower-case its texts, as settings say; return it."""
    if limit := settings.get("max_seq_length"):
        tokenizer.model_max_length = limit
    if not settings.get("do_lower_case"):
        return tokenizer

    from tokenizers import normalizers

    if not getattr(tokenizer, "is_fast", False):
        raise TextError("do_lower_case of sentence_bert_config.json requires a fast tokenizer: save one in the folder")
    inner = tokenizer.backend_tokenizer
    steps = [step for step in (normalizers.Lowercase(), inner.normalizer) if step is not None]
    inner.normalizer = normalizers.Sequence(steps)
    return tokenizer
