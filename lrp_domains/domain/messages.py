"""Error messages: what is wrong, where, and what to do; for misspelt names also the nearest known ones."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from numbers import Integral

from .. import LrpError


class DomainError(LrpError):
    """Invalid input to an adapter: data, a model or a request; the message says what to do."""


def choices(name: object, known: Iterable[object], most: int = 12) -> str:
    """Return the second half of an "unknown name" message: the nearest known names, or all of them."""
    names = [str(candidate) for candidate in known]
    wanted = str(name).casefold()
    folded = {candidate.casefold(): candidate for candidate in names}
    near = [folded[match] for match in get_close_matches(wanted, folded, n=3, cutoff=0.6)]
    near = list(dict.fromkeys([*_of_the_same_words(wanted, folded), *near]))[:3]
    if not near and wanted:
        holding = [key for key in folded if key and (wanted in key or key in wanted)]
        near = [folded[key] for key in sorted(holding, key=lambda key: abs(len(key) - len(wanted)))[:3]]
    if near:
        return f"did you mean {listed(near)}?"
    return f"there are: {listed(names, most)}" if names else "there are none"


def _of_the_same_words(wanted: str, folded: Mapping[str, str]) -> list[str]:
    """Return the names that have each word of `wanted`, or the beginning of a word: 'CD8 T' for 'CD8+ Cytotoxic T'."""
    words = _words(wanted)
    if len(words) < 2:  # a single word is compared as a whole
        return []
    return [
        name
        for key, name in folded.items()
        if all(any(word.startswith(part) for word in _words(key)) for part in words)
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def listed(names: Iterable[object], most: int = 12) -> str:
    """Return names in quotes, separated by commas; beyond `most` only their number."""
    names = [str(name) for name in names]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + rest


def reason(error: BaseException) -> str:
    """Return the first line of an error that isn't blank, or its type where it has no text."""
    return (str(error).strip() or repr(error)).splitlines()[0]


def check_choice(what: str, name: object, known: Collection[str]) -> None:
    """Raise if a name is not one of the known ones."""
    if name not in known:
        raise DomainError(f"unknown {what} '{name}'; {choices(name, known)}")


def check_whole(name: str, number: object, least: int) -> None:
    """Raise if a parameter is not a whole number, or below the least one that is allowed."""
    if not isinstance(number, Integral) or isinstance(number, bool) or number < least:
        raise DomainError(f"{name}={number!r}: expected a whole number, at least {least}")
