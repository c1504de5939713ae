"""Notes on a residue that a rule set should not leave: what the model adds without a trace in the graph."""

from collections.abc import Iterable

from ... import Ledger, RuleSet, constant
from ..results.tables import LARGE_RESIDUE

LARGE = 0.01  # of the score: half precision rounds less


def conserves(rules: RuleSet) -> bool:
    """Return whether a rule set conserves relevance in any model: a softmax that is not constant leaves a remainder."""
    return rules.operations.get("softmax") is constant


def notes_on_residue(account: Ledger, rules: RuleSet) -> tuple[str, ...]:
    """Return what a large residue may contain; nothing if it is small, or if the rule set doesn't conserve relevance.

    A remainder in any model is no news about this one.
    """
    if not conserves(rules) or account.balanced(LARGE):
        return ()
    return account.notes


def residue_note(contents: Iterable[str]) -> tuple[str, ...]:
    """Return the note of a result, from the contents of its residue; none if there are none."""
    contents = list(dict.fromkeys(contents))
    return (f"{LARGE_RESIDUE} (more than {LARGE:.0%} of the score): {'; '.join(contents)}",) if contents else ()
