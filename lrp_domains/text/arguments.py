"""Requests: texts or pairs of texts, each with what to explain."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from numbers import Integral
from typing import Any

from .errors import TextError, about, listed

Item = str | tuple[str, str] | tuple[str, Sequence[str]]
Reference = str | tuple[str, str] | tuple[int, ...]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Request:
    """One text and what to explain.

    Attributes
    ----------
    text
        A string, a tuple of two for a pair, or a tuple of a string and a list of strings for a multiple choice.
    target
        What to explain: a label, a token, a phrase, an answer; None is what the model predicts.
    against
        What the target is contrasted with; None for no contrast.
    at
        The place in the text that is explained, where a model predicts something per token.
    reference
        What the text is explained against, see `checked_reference`; None for what the settings say.
    """

    text: Item
    target: Any = None
    against: Any = None
    at: Any = None
    reference: Any = None

    def __post_init__(self) -> None:
        _check_text(self.text)
        _check_characters(self.texts)
        if isinstance(self.target, tuple):
            names = self.target if len(self.target) == 2 else ("...", "...")
            raise TextError(
                f"target={self.target!r} is a tuple: write a contrast as target={names[0]!r}, against={names[1]!r}"
            )
        if self.against is not None and self.against == self.target:
            raise TextError(f"target and against are both {self.target!r}: contrast it with something else")

    @property
    def texts(self) -> tuple[str, ...]:
        """The text as a tuple of one, a pair as a tuple of two, a text and its choices as a tuple of all."""
        if isinstance(self.text, str):
            return (self.text,)
        return (self.text[0], self.text[1]) if isinstance(self.text[1], str) else (self.text[0], *self.text[1])

    @property
    def has_choices(self) -> bool:
        """Whether the text comes with choices."""
        return not isinstance(self.text, str) and not isinstance(self.text[1], str)


def checked_reference(reference: Any) -> Reference | None:
    """Return what a text is explained against after checking it: a name, a text, a pair, or tokens as a tuple."""
    if reference is None or isinstance(reference, str):
        _check_characters((reference or "",))
        return reference
    if isinstance(reference, tuple) and len(reference) == 2 and all(isinstance(half, str) for half in reference):
        _check_characters(reference)
        return reference
    values = reference.tolist() if hasattr(reference, "tolist") else reference
    is_sequence = isinstance(values, list | tuple) and len(values) > 0
    if is_sequence and all(isinstance(value, Integral) and not isinstance(value, bool) for value in values):
        return tuple(int(value) for value in values)
    raise TextError(
        f"reference={reference!r}: expected 'mask', 'pad', a text (a tuple of two for a pair), or the numbers of tokens"
    )


def _check_characters(texts: Iterable[str]) -> None:
    for text in texts:
        if match := _SURROGATE.search(text):
            raise TextError(
                f"{text[:40]!a} contains half of a surrogate pair at character {match.start()}, which is not a "
                "character: decode the text again with errors='replace'"
            )


def _check_text(text: Any) -> None:
    if isinstance(text, str):
        return
    if isinstance(text, tuple) and len(text) == 2 and all(isinstance(half, str) for half in text):
        return
    if isinstance(text, tuple) and len(text) == 2 and isinstance(text[0], str) and isinstance(text[1], list | tuple):
        _check_choices(text[1])
        return
    kind = "None" if text is None else type(text).__name__
    if isinstance(text, tuple):
        kind = f"a tuple of {len(text)} ({', '.join(type(half).__name__ for half in text)})"
    raise TextError(f"expected a string, or a tuple of two strings for a pair, got {kind}")


def _check_choices(texts: Sequence[Any]) -> None:
    if len(texts) < 2 or not all(isinstance(text, str) for text in texts):
        kinds = ", ".join(type(text).__name__ for text in texts) or "none"
        raise TextError(f"expected a text with two choices or more, each a string, got {len(texts)} ({kinds})")
    if len(set(texts)) < len(texts):
        raise TextError(f"two choices are the same: {listed(texts)}")


def list_of_texts(texts: Any) -> list:
    """Return many texts as a list."""
    if not isinstance(texts, Iterable) or isinstance(texts, bytes | Mapping):
        raise TextError(f"expected a text, a pair of texts, or a list of these, got {type(texts).__name__}")
    texts = list(texts)
    if not texts:
        raise TextError("the list of texts is empty")
    return texts


def requests_of(texts: Sequence[Any], **wishes: Any) -> list[Request]:
    """Return one request per text.

    Parameters
    ----------
    texts
        Texts and pairs.
    wishes
        Fields of `Request` by name. A list has one value per text; anything else is for all texts.
    """
    columns = {name: _per_text(values, len(texts), name) for name, values in wishes.items()}
    requests = []
    for number, text in enumerate(texts):
        with about(f"text {number}"):
            requests.append(Request(text, **{name: values[number] for name, values in columns.items()}))
    return requests


def _per_text(values: Any, count: int, name: str) -> list:
    if not isinstance(values, list):
        return [values] * count
    if len(values) != count:
        raise TextError(f"{name}= is a list of {len(values)} for {count} texts: pass one per text, or one for all")
    return values


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Yield the items in lists of `size`."""
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk
