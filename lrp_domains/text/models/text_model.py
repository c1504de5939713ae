"""A model with its tokenizer and its head: everything that is required to explain it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from ..heads.head import Head
from ..heads.multiple_choice import as_choices
from ..heads.tasks import Loaded, check_class, check_task, head_of, task_of
from ..settings import Settings
from ..tokens.encoding import Encoding, encode
from ..tokens.lengths import longest, longest_answer
from ..tokens.references import PLACEHOLDERS, SpecialTokens
from .network import Network, transformers_network
from .wrappers import plain_model


@dataclass(frozen=True)
class TextModel:
    """A model that can be explained.

    Attributes
    ----------
    task
        What the model is for, such as ``"text-classification"``.
    network
        How to run it.
    head
        Which of its outputs are explained.
    tokenizer
        Its tokenizer, as the user passed it.
    encode
        From texts and pairs, as tuples, and whether special tokens are added to each, to their encodings in order.
        An error that it raises concerns the next one.
    longest
        The largest number of tokens that it reads at once; None for no limit.
    fill
        The numbers for padding, by name of the input.
    special
        The tokens that can stand for a word in a reference.
    """

    task: str
    network: Network
    head: Head
    tokenizer: Any
    encode: Callable[[Sequence[tuple[str, ...]], Sequence[bool | None]], Iterable[Encoding]]
    longest: int | None
    fill: Mapping[str, int]
    special: SpecialTokens


def transformers_model(
    model: nn.Module,
    tokenizer,
    *,
    task: str | None,
    embedding: str,
    pooling: str | None,
    settings: Settings,
) -> TextModel:
    """Return a model of transformers, ready to be explained; see `TextExplainer`."""
    plain = plain_model(model)
    task = task_of(type(plain)) if task is None else check_task(task)
    check_class(task, type(plain))
    network = transformers_network(model, embedding)
    loaded = Loaded(plain, tokenizer, settings, pooling=pooling, two_sides=network.two_sides)
    head = head_of(task, loaded)
    limits = [longest(plain, tokenizer), longest_answer(plain) if head.two_sides else None]
    if task == "multiple-choice":
        network = replace(network, call=partial(as_choices, network.call))
    return TextModel(
        task=task,
        network=network,
        head=head,
        tokenizer=tokenizer,
        encode=partial(encode, tokenizer),
        longest=min((limit for limit in limits if limit is not None), default=None),
        fill=_fill(plain, tokenizer),
        special=_special(tokenizer),
    )


def _fill(model: nn.Module, tokenizer) -> dict[str, int]:
    # The mask hides padding; but some classifiers look for the padding token that their configuration names.
    candidates = {
        "input_ids": (getattr(model.config, "pad_token_id", None), tokenizer.pad_token_id),
        "token_type_ids": (getattr(tokenizer, "pad_token_type_id", None),),
    }
    return {name: next((n for n in numbers if n is not None), 0) for name, numbers in candidates.items()}


def _special(tokenizer) -> SpecialTokens:
    numbers = {name: getattr(tokenizer, f"{name}_token_id", None) for name in PLACEHOLDERS}
    return SpecialTokens(
        {name: number for name, number in numbers.items() if number is not None},
        lambda number: str(tokenizer.convert_ids_to_tokens([number])[0]),
    )
