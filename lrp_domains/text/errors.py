"""What can be wrong with texts, models and targets, said in one message each: what, where, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class TextError(ValueError):
    """A text, a model or a request that does not fit; the message says what to do."""


def choices(name: object, known: Iterable[object], shown: int = 12) -> str:
    """Name the nearest of the known names, or list them: the second half of a "there is no ..." message."""
    known = [str(one) for one in known]
    folded = {one.casefold(): one for one in known}
    near = [folded[one] for one in get_close_matches(str(name).casefold(), folded, n=2, cutoff=0.6)]
    if near:
        return f"did you mean {listed(near)}?"
    return f"there are: {listed(known, shown)}" if known else "there are none"


def listed(names: Iterable[object], shown: int = 12) -> str:
    """Quote names, the first few of many."""
    names = [str(one) for one in names]
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{one}'" for one in names[:shown]) + more


def excerpt(text: str, length: int = 40) -> str:
    """Give the beginning of a text on one line, for a message."""
    return repr(text if len(text) <= length else text[:length] + "…")
