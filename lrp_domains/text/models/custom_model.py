"""Classifiers from outside transformers: a function that tokenizes, the embedding, and a forward pass."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..errors import TextError, excerpt
from ..heads.head import Head
from ..tokens.encoding import ADDED, Encoding
from ..tokens.references import SpecialTokens
from .eager import eager
from .network import EXTRA, Network
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
        network=custom_network(embed, forward, labels=len(head.labels.names)),
        head=head,
        tokenizer=tokenize,
        encode=partial(encode_with, tokenize),
        longest=longest,
        fill={"input_ids": pad},
        special=SpecialTokens({"pad": pad}),
    )


def custom_network(embed: nn.Module, forward: Callable[..., Any], *, labels: int) -> Network:
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
        ids, extra = batch["input_ids"], batch.get(EXTRA)
        more, named = ((), extra) if isinstance(extra, dict) else ((), {}) if extra is None else ((extra,), {})
        if extra is not None:
            _check_inputs(forward, ids, batch["attention_mask"], *more, **named)
        with eager():
            return _logits(forward(ids, batch["attention_mask"].bool(), *more, **named), len(ids), labels)

    vocabulary = getattr(embed, "num_embeddings", None)
    return Network(
        model, call, tuple(names), lookups=tuple(names), vocabulary=vocabulary, in_pieces=True, takes_extra=True
    )


def _check_inputs(forward: Callable, *inputs: Any, **named: Any) -> None:
    """Raise if the user's function takes no such inputs beside the text."""
    try:
        signature = inspect.signature(forward.forward if isinstance(forward, nn.Module) else forward)
    except ValueError:  # a function of C has none
        return
    try:
        signature.bind(*inputs, **named)
    except TypeError as error:
        raise TextError(
            f"extra= does not fit the arguments of forward{signature}: {error}; pass one input as numbers, or several "
            "by name as a dict"
        ) from error


def _logits(outputs: Any, rows: int, labels: int) -> Any:
    """Return the logits among what the forward pass returned: a tensor, or one of the tensors in a tuple or a dict."""
    if isinstance(outputs, Mapping):
        named = dict(outputs)
    elif isinstance(outputs, tuple | list):
        named = dict(enumerate(outputs))
    else:
        return outputs
    fitting = [name for name, value in named.items() if isinstance(value, Tensor) and value.shape == (rows, labels)]
    if "logits" in fitting or len(fitting) == 1:
        return named["logits" if "logits" in fitting else fitting[0]]
    shapes = {name: tuple(getattr(value, "shape", ())) for name, value in named.items()}
    raise TextError(
        f"forward returned {len(fitting)} tensors of shape {(rows, labels)}, one row per text and one column per "
        f"label, among {shapes}: return the logits alone, or name them 'logits'"
    )


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
    return Encoding((text,), inputs, pieces, spans=offsets, part=part, special=np.zeros(len(ids), bool))
