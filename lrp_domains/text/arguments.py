"""Requests: texts or pairs of texts, each with what to explain."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from .errors import TextError, listed

Message = Mapping[str, Any]
Item = str | tuple[str, str] | tuple[str, Sequence[str]] | Sequence[Message]
Reference = str | tuple[str, str] | tuple[int, ...]

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Request:
    """One text and what to explain.

    Attributes
    ----------
    text
        A string, a tuple of two for a pair, a tuple of a string and a list of strings for a multiple choice, or a chat:
        a list of messages, each with a role and its content.
    target
        What to explain: a label, a token, a phrase, an answer, or the numbers of its tokens as a tuple; None is what
        the model predicts.
    against
        What the target is contrasted with; None for no contrast.
    at
        The place in the text that is explained, where a model predicts something per token.
    reference
        What the text is explained against, see `checked_reference`; None for what the settings say.
    extra
        Inputs of the model beside the text: numbers, or a dict of these; None if there are none.
    """

    text: Item
    target: Any = None
    against: Any = None
    at: Any = None
    reference: Any = None
    extra: Any = None

    def __post_init__(self) -> None:
        _check_text(self.text)
        _check_characters(self.texts)
        for name in ("target", "against"):
            object.__setattr__(self, name, with_numbers(getattr(self, name)))
        if isinstance(self.target, tuple) and not are_numbers(self.target):
            names = self.target if len(self.target) == 2 else ("...", "...")
            raise TextError(
                f"target={self.target!r} is a tuple: write a contrast as target={names[0]!r}, against={names[1]!r}"
            )
        if self.against is not None and self.against == self.target:
            raise TextError(f"target and against are both {self.target!r}: contrast it with something else")

    @property
    def texts(self) -> tuple[str, ...]:
        """The text as a tuple of one, a pair as a tuple of two, a text and its choices as a tuple of all.

        Of a chat, the contents of its messages.
        """
        if isinstance(self.text, str):
            return (self.text,)
        if is_chat(self.text):
            return tuple(message["content"] for message in self.text)
        return (self.text[0], self.text[1]) if isinstance(self.text[1], str) else (self.text[0], *self.text[1])

    @property
    def has_choices(self) -> bool:
        """Whether the text comes with choices."""
        return not isinstance(self.text, str) and not is_chat(self.text) and not isinstance(self.text[1], str)


def is_number(value: Any) -> bool:
    """Return whether a value is an integer, such as the number of a token."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def are_numbers(values: Any) -> bool:
    """Return whether values are a list or tuple of the numbers of tokens."""
    return isinstance(values, list | tuple) and bool(values) and all(map(is_number, values))


def with_list(values: Any) -> Any:
    """Return an array or tensor as a list or number, other values unchanged."""
    return values.tolist() if hasattr(values, "tolist") else values


def with_numbers(phrase: Any) -> Any:
    """Return a phrase unchanged, or the numbers of its tokens as a tuple (one as an integer)."""
    values = with_list(phrase)
    if not are_numbers(values):
        return values
    return int(values[0]) if len(values) == 1 else tuple(int(value) for value in values)


def is_chat(text: Any) -> bool:
    """Return whether a text is a chat: messages, each with a role and its content."""
    return isinstance(text, list | tuple) and bool(text) and all(isinstance(message, Mapping) for message in text)


def checked_reference(reference: Any) -> Reference | None:
    """Return what a text is explained against after checking it: a name, a text, a pair, or tokens as a tuple."""
    if reference is None or isinstance(reference, str):
        _check_characters((reference or "",))
        return reference
    if isinstance(reference, tuple) and len(reference) == 2 and all(isinstance(half, str) for half in reference):
        _check_characters(reference)
        return reference
    if isinstance(reference, Mapping) or is_chat(reference):
        raise TextError(
            "a chat is not a reference: pass it as the tokenizer's template writes it, for a language model "
            "tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)"
        )
    values = with_list(reference)
    if are_numbers(values):
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
    if is_chat(text):
        for number, message in enumerate(text):
            if not isinstance(message.get("role"), str) or not isinstance(message.get("content"), str):
                raise TextError(f"message {number} of the chat: expected a role and its content, two strings")
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
