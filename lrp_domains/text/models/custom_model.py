"""Classifiers from outside transformers: a way to tokenize, the embedding, a forward pass."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..errors import TextError, excerpt
from ..tokens.encoding import ADDED, Encoding
from .network import Network


def triple_network(embed: nn.Module, forward: Callable[[Tensor, Tensor], Tensor]) -> Network:
    """Find the model that holds the embedding, and call it with numbers and mask."""
    if not isinstance(embed, nn.Module):
        raise TextError(f"embed={embed!r} is no module: give the one that turns tokens into vectors")
    if not callable(forward):
        raise TextError(f"forward={forward!r} can't be called: give the model, or a function of numbers and mask")
    model = forward if isinstance(forward, nn.Module) else getattr(forward, "__self__", None)
    names = [name for name, module in model.named_modules() if module is embed] if isinstance(model, nn.Module) else []
    if not names:  # a plain function, which keeps its model, and what mode that is in, to itself
        model, names = nn.ModuleList([embed]), ["0"]
        model.training = False

    def call(batch: Mapping[str, Tensor]) -> Any:
        return forward(batch["input_ids"], batch["attention_mask"].bool())

    return Network(model, call, tuple(names), vocabulary=getattr(embed, "num_embeddings", None))


def encode_with(tokenize: Callable, items: Sequence[tuple[str, ...]], first: int) -> list[Encoding]:
    """Cut texts with a function of the user's; ``first`` is the number of the first text, for messages."""
    return [_encode(tokenize, item, number) for number, item in enumerate(items, first)]


def _encode(tokenize: Callable, item: tuple[str, ...], number: int) -> Encoding:
    if len(item) != 1:
        raise TextError(f"text {number} is a pair, but tokenize() takes one text: join them")
    (text,) = item
    try:
        ids, spans = tokenize(text)
        ids, spans = [int(one) for one in ids], list(spans)
    except (TypeError, ValueError) as error:
        raise TextError(
            f"tokenize() failed for text {number} ({excerpt(text)}): {error}; it must return the numbers of the tokens "
            "and, for each, its (start, end) in the text or None"
        ) from error
    if len(ids) != len(spans):
        raise TextError(f"tokenize() gave {len(ids)} tokens but {len(spans)} spans for text {number} ({excerpt(text)})")
    for one in spans:
        if one is not None and not 0 <= one[0] <= one[1] <= len(text):
            raise TextError(
                f"tokenize() gave the span {one} for text {number} ({excerpt(text)}), which has {len(text)} characters"
            )
    part = np.array([ADDED if one is None or not text else 0 for one in spans], np.int64)
    places = np.array([(0, 0) if one is None else one for one in spans], np.int64).reshape(-1, 2)
    pieces = tuple(text[start:end] or str(one) for one, (start, end) in zip(ids, places.tolist(), strict=True))
    inputs = {"input_ids": np.array(ids, np.int64), "attention_mask": np.ones(len(ids), np.int64)}
    return Encoding(item, inputs, pieces, places, part)
