"""Write docs/architectures.md: `python -m tests.architectures.table [path]`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import transformers

from .conservation import TOLERANCES, Outcome, incompleteness, outcome
from .known_exceptions import (
    BRANCHES,
    FLOAT32,
    NO_GRADIENT,
    NOT_BUILDABLE,
    NOT_COMPLETE,
    NOT_CONSERVED,
    NOTES,
    ROUTED,
    UNKNOWN,
)
from .recorded import Recorded, recorded
from .zoo import architectures, sequence_classifiers

PAGE = """# Architectures

Of the {all} models that transformers {transformers} maps to a sequence classifier, {conserved} can be explained
unmodified, without unknown operations, and with relevance conserved under CP-LRP: the relevance of the inputs, the
biases and the other additive leaves adds up to the score. The tables list all of them, then samples of other kinds.
Each is a tiny instance with random weights (`tests/architectures`), explained under AttnLRP and CP-LRP on a CPU with
torch {torch}.

*Imbalance* is |residue| / max(|score|, |inputs|, |leaves|) under CP-LRP. *Incompleteness* is the same for the
difference of scores from a reference with other tokens, under SECANT ([Explain against a reference](reference.md)); the
experts of a mixture are held. Rounding accounts for up to {tolerances}.

*Compiled* is how an explanation that was recorded with one batch ([Compile an explanation](compiled.md)) compares with
the usual one, for that batch, for other tokens, and for other padding: *equal* to the last bit, or the largest
difference relative to the largest entry. *Anew* are the batches for which it was recorded once more, as other branches
were taken: many models treat a mask of ones as none.

This page is generated: `python -m tests.architectures.table`.
"""
HEAD = """
## {family}

| architecture | runs | unknown operations | imbalance | incompleteness | compiled | dtype | note |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
FAMILIES = {
    "": "sequence classifiers of transformers",
    "experts-by-loop": "mixtures of experts in float64, one expert at a time",
    "causal": "causal language models",
    "masked": "masked language models",
    "seq2seq": "encoder-decoders",
    "image": "picture classifiers",
    "torch": "plain torch",
}
EXCEPTIONS = (NOT_BUILDABLE, NO_GRADIENT, UNKNOWN, NOT_CONSERVED, NOT_COMPLETE, BRANCHES, FLOAT32, NOTES)


def note(name: str) -> str:
    return "; ".join(reasons[name] for reasons in EXCEPTIONS if name in reasons)


def row(name: str, result: Outcome | None) -> str:
    """Return one row of a table; there is no result for an architecture that was not built."""
    label = f"`{name.rpartition('/')[2]}`"
    if result is None:
        return f"| {label} | no | | | | | | {note(name)} |\n"
    if result.refused:
        return f"| {label} | no | `{result.refused.split()[0]}` | | | | {result.precision} | {note(name)} |\n"
    imbalance = f"{result.imbalance:.0e}" if result.conserved else f"**{result.imbalance:.2f}**"
    missing = "refused" if name in NOT_COMPLETE else f"{incompleteness(name):.0e}"
    missing += " (experts held)" if name in ROUTED - NOT_COMPLETE.keys() else ""
    compiled = cell(recorded(name))
    return f"| {label} | yes | | {imbalance} | {missing} | {compiled} | {result.precision} | {note(name)} |\n"


def cell(result: Recorded) -> str:
    """Return how a compiled explanation compares with the usual one."""
    if result.refused:
        return f"no: {result.refused}"
    largest = max(result.differences.values())
    return ("equal" if largest == 0 else f"{largest:.0e}") + f" (anew: {', '.join(result.anew)})" * bool(result.anew)


def page() -> str:
    results = {name: None if name in NOT_BUILDABLE else outcome(name) for name in architectures()}
    classifiers = [results[name] for name in sequence_classifiers()]
    text = PAGE.format(
        conserved=sum(result is not None and result.conserved for result in classifiers),
        all=len(classifiers),
        transformers=transformers.__version__,
        torch=torch.__version__.partition("+")[0],
        tolerances=", ".join(f"{tolerance:.0e} ({kind})" for kind, tolerance in TOLERANCES.items()),
    )
    for prefix, family in FAMILIES.items():
        members = [name for name in results if name.rpartition("/")[0] == prefix]
        text += HEAD.format(family=family[0].upper() + family[1:])
        text += "".join(row(name, results[name]) for name in members)
    return text


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/architectures.md")
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target}")
