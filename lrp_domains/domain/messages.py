"""Error messages: what is wrong, where, and what to do; for misspelt names also the nearest known ones."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from .. import LrpError


class DomainError(LrpError):
    """Invalid input to an adapter: data, a model or a request; the message says what to do."""


def choices(name: object, known: Iterable[object], most: int = 12) -> str:
    """Return the second half of an "unknown name" message: the nearest known names, or all of them."""
    names = [str(candidate) for candidate in known]
    wanted = str(name).casefold()
    folded = {candidate.casefold(): candidate for candidate in names}
    near = [folded[match] for match in get_close_matches(wanted, folded, n=3, cutoff=0.6)]
    if not near and wanted:
        near = [candidate for key, candidate in folded.items() if key and (wanted in key or key in wanted)][:3]
    if near:
        return f"did you mean {listed(near)}?"
    return f"there are: {listed(names, most)}" if names else "there are none"


def listed(names: Iterable[object], most: int = 12) -> str:
    """Return names in quotes, separated by commas; beyond `most` only their number."""
    names = [str(name) for name in names]
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + rest


def reason(error: BaseException) -> str:
    """Return the first line of an error, or its type where it has no text."""
    return (str(error) or repr(error)).splitlines()[0]


def check_choice(what: str, name: object, known: Collection[str]) -> None:
    """Raise if a name is not one of the known ones."""
    if name not in known:
        raise DomainError(f"unknown {what} '{name}'; {choices(name, known)}")
