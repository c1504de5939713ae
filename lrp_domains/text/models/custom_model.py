"""Classifiers from outside transformers: a function that tokenizes, the embedding, and a forward pass."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..errors import TextError, excerpt
from ..heads.head import Head
from ..tokens.encoding import ADDED, Encoding
from ..tokens.references import SpecialTokens
from .network import Network
from .text_model import TextModel


def custom_model(
    tokenize: Callable,
    embed: nn.Module,
    forward: Callable,
    *,
    head: Head,
    longest: int | None,
    pad: int,
) -> TextModel:
    """Return a user's classifier, ready to be explained; see `TextExplainer.from_parts`."""
    return TextModel(
        task="text-classification",
        network=custom_network(embed, forward),
        head=head,
        tokenizer=tokenize,
        encode=partial(encode_with, tokenize),
        longest=longest,
        fill={"input_ids": pad},
        special=SpecialTokens({"pad": pad}),
    )


def custom_network(embed: nn.Module, forward: Callable[[Tensor, Tensor], Tensor]) -> Network:
    """Return a network that calls `forward` with numbers and mask; the model behind it is found, if possible."""
    if not isinstance(embed, nn.Module):
        raise TextError(f"embed={embed!r} is not a module: pass the one that turns tokens into vectors")
    if not callable(forward):
        raise TextError(f"forward={forward!r} can't be called: pass the model, or a function of numbers and mask")
    model = forward if isinstance(forward, nn.Module) else getattr(forward, "__self__", None)
    names = [name for name, module in model.named_modules() if module is embed] if isinstance(model, nn.Module) else []
    if not names:  # a plain function hides its model
        model, names = nn.ModuleList([embed]), ["0"]

    def call(batch: Mapping[str, Tensor]) -> Any:
        return forward(batch["input_ids"], batch["attention_mask"].bool())

    return Network(model, call, tuple(names), lookups=tuple(names), vocabulary=getattr(embed, "num_embeddings", None))


def encode_with(tokenize: Callable, items: Sequence[tuple[str, ...]], wishes: Sequence = ()) -> Iterator[Encoding]:
    """Yield the encodings of texts, split by the user's function, which alone decides what is added to them."""
    for item in items:
        if len(item) != 1:
            raise TextError("a pair was given, but tokenize() takes one text: join the two")
        yield _encode(tokenize, item[0])


def _encode(tokenize: Callable, text: str) -> Encoding:
    try:
        ids, spans = tokenize(text)
        ids, spans = [int(number) for number in ids], list(spans)
    except (TypeError, ValueError) as error:
        raise TextError(
            f"tokenize() failed for {excerpt(text)}: {error}; it must return the numbers of the tokens and, for each, "
            "its (start, end) in the text or None"
        ) from error
    if len(ids) != len(spans):
        raise TextError(f"tokenize() returned {len(ids)} tokens but {len(spans)} spans for {excerpt(text)}")
    for span in spans:
        if span is not None and not 0 <= span[0] <= span[1] <= len(text):
            raise TextError(
                f"tokenize() returned the span {span} for {excerpt(text)}, which has {len(text)} characters"
            )

    part = np.array([ADDED if span is None or not text else 0 for span in spans], np.int64)
    offsets = np.array([(0, 0) if span is None else span for span in spans], np.int64).reshape(-1, 2)
    pieces = tuple(text[start:end] or str(n) for n, (start, end) in zip(ids, offsets.tolist(), strict=True))
    inputs = {"input_ids": np.array(ids, np.int64), "attention_mask": np.ones(len(ids), np.int64)}
    return Encoding((text,), inputs, pieces, spans=offsets, part=part)
