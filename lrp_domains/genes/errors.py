"""What can be wrong with a cohort, said in one message each: what, where, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class CohortError(ValueError):
    """A cohort, a model or a request that does not fit; the message says what to do."""


def choices(name: str, known: Iterable[str], shown: int = 12) -> str:
    """Name the nearest of the known names, or list them: the second half of a "there is no ..." message."""
    known = [str(one) for one in known]
    near = get_close_matches(name, known, n=3, cutoff=0.5) or _without_case(name, known)
    if near:
        return f"did you mean {listed(near)}?"
    return f"there are: {listed(known, shown)}" if known else "there are none"


def listed(names: Iterable[str], shown: int = 12) -> str:
    """Quote names, the first few of many."""
    names = [str(one) for one in names]
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(f"'{one}'" for one in names[:shown]) + more


def _without_case(name: str, known: list[str]) -> list[str]:
    return [one for one in known if name.lower() in one.lower() or one.lower() in name.lower()][:3]
