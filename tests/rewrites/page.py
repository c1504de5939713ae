"""Write docs/invariance.md: `python -m tests.rewrites.page [path]`."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import torch

from .comparison import BOTH_REFUSED, CLOSE, CRASHED, DIFFERS, ONLY_THE_REFERENCE, REFUSED, SAME, Check
from .kinds import KINDS, checks
from .limits import LIMITS

PAGE = """# Invariance

The relevance of a function must not depend on how the function is written. Here {families} functions are written
in {forms} forms. Each form is put in several contexts and explained under each rule set. Its relevance agrees with
that of the reference, the first form, if the two differ by at most {close:.0e} of the largest. {same} of {all} checks
agree. The forms are in `tests/rewrites`; everything is computed on a CPU in float64 with torch {torch}.

*Refused* are checks whose form raises an error that says what to do; if the reference is refused too, as it should
be, the two agree. *No reference* are checks whose reference is refused while the form isn't.

This page is generated: `python -m tests.rewrites.page`.

| kind | families | forms | checks | agree | differ | refused | no reference | crashed |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
HEAD = """
## {kind}

In these contexts: {contexts}. Under {rules}.
"""
NOT_THE_SAME = """
| family (reference) | written as | largest difference over the largest relevance, contexts, lowest cosine | why |
| --- | --- | --- | --- |
"""


def code(text: str) -> str:
    """Return a code span that is valid in a table."""
    return "`" + text.replace("|", "\\|") + "`"


def counts(kind: str) -> str:
    """Return the table row of a kind."""
    families, outcomes = KINDS[kind].families, Counter(check.outcome for check in checks(kind))
    numbers = (
        len(families),
        sum(map(len, families.values())),
        len(checks(kind)),
        outcomes[SAME] + outcomes[BOTH_REFUSED],
        *(outcomes[name] for name in (DIFFERS, REFUSED, ONLY_THE_REFERENCE, CRASHED)),
    )
    return f"| {kind} | {' | '.join(map(str, numbers))} |\n"


def outcomes_of(checks_of_form: list[Check]) -> str:
    """Return the outcomes of one form by rule set, as text."""
    by_outcome = defaultdict(list)
    for check in checks_of_form:
        by_outcome[check.rules, check.outcome].append(check)

    texts = []
    for (rules, outcome), group in by_outcome.items():
        text = outcome
        if outcome == DIFFERS:
            size, cosine = max(check.size for check in group), min(check.cosine for check in group)
            text = f"{size:.2g}, cosine {cosine:.2f}" + ", with a warning" * any(check.message for check in group)
        texts.append(f"{rules} {text} in {len(group)}")
    return "; ".join(texts)


def section(kind: str) -> str:
    """Return the section of a kind: the forms that aren't the same, then those that are."""
    families, contexts, rules = KINDS[kind].families, KINDS[kind].contexts, KINDS[kind].rules
    text = HEAD.format(kind=kind[0].upper() + kind[1:], contexts=", ".join(contexts), rules=", ".join(rules))

    by_form = defaultdict(list)
    for check in checks(kind):
        if not check.holds:
            by_form[check.family, check.form].append(check)
    reasons = {key: reason for table in LIMITS.values() for key, reason in table.items()}
    rows = [
        f"| {family} ({code(next(iter(families[family])))}) | {code(form)} | {outcomes_of(group)} "
        f"| {reasons.get((family, form), '')} |\n"
        for (family, form), group in by_form.items()
    ]
    text += NOT_THE_SAME + "".join(rows) if rows else "\nAll forms are the same.\n"

    text += "\nThe same everywhere:\n\n"
    for family, forms in families.items():
        same = [code(form) for form in forms if (family, form) not in by_form]
        text += f"* {family}: {', '.join(same)}\n"
    return text


def page() -> str:
    everything = [check for kind in KINDS for check in checks(kind)]
    text = PAGE.format(
        families=sum(len(kind.families) for kind in KINDS.values()),
        forms=sum(len(forms) for kind in KINDS.values() for forms in kind.families.values()),
        close=CLOSE,
        same=f"{sum(check.holds for check in everything):,}",
        all=f"{len(everything):,}",
        torch=torch.__version__.partition("+")[0],
    )
    return text + "".join(map(counts, KINDS)) + "".join(map(section, KINDS))


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/invariance.md")
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target}")
