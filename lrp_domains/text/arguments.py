"""What a user may hand in: texts, pairs of texts, and one target for all or one for each."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from .errors import TextError

Item = str | tuple[str, str]


def item_of(given: Any, number: int) -> tuple[str, ...]:
    """Give a text as a tuple of one, a pair as a tuple of two."""
    if isinstance(given, str):
        return (given,)
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(one, str) for one in given):
        return given
    what = "None" if given is None else f"of type {type(given).__name__}"
    if isinstance(given, tuple):
        what = f"a tuple of {len(given)} ({', '.join(type(one).__name__ for one in given)})"
    raise TextError(f"text {number} is {what}: give a string, or a tuple of two strings for a pair")


def listed_texts(given: Any) -> list:
    """Give many texts as a list."""
    if not isinstance(given, Iterable) or isinstance(given, bytes | Mapping):
        raise TextError(f"texts is of type {type(given).__name__}: give a text, a pair of texts, or a list of these")
    texts = list(given)
    if not texts:
        raise TextError("there are no texts: the list is empty")
    return texts


def one_for_each(given: Any, number: int, name: str) -> list:
    """Give one of what was asked to each of ``number`` texts: a list holds one for each, anything else is for all."""
    if not isinstance(given, list):
        return [given] * number
    if len(given) != number:
        raise TextError(f"{name} is a list of {len(given)} for {number} texts: give one for each, or one for all")
    return given


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Give ``size`` items at a time."""
    items = iter(items)
    while chunk := list(islice(items, size)):
        yield chunk
