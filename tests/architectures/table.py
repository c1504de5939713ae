"""Writes docs/architectures.md: `python -m tests.architectures.table [path]`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import transformers

from .accounts import TOLERANCES, Account, account
from .remarks import FLOAT32, NO_GRADIENT, NOT_BALANCED, NOT_BUILDABLE, NOTES, UNKNOWN
from .zoo import architectures, sequence_classifiers

PAGE = """# Architectures

{balanced} of the {all} models that transformers {transformers} maps to a sequence classifier run, unmodified,
with every operation known, and their books balance under CP-LRP: what the inputs, the biases and the other
additive leaves receive adds up to the score. Below is every one of them, then samples of other kinds. Each is
a tiny instance with random weights (`tests/architectures`), explained under AttnLRP and CP-LRP on a CPU with
torch {torch}.

*Imbalance* is |residue| / max(|score|, |inputs|, |leaves|) under CP-LRP. Rounding explains up to
{tolerances}.

This page is generated: `python -m tests.architectures.table`.
"""
HEAD = """
## {family}

| architecture | runs | unknown operations | imbalance | dtype | note |
| --- | --- | --- | --- | --- | --- |
"""
FAMILIES = {
    "": "sequence classifiers of transformers",
    "experts-by-loop": "mixtures of experts in float64, one expert after another",
    "causal": "causal language models",
    "masked": "masked language models",
    "seq2seq": "encoder-decoders",
    "image": "picture classifiers",
    "torch": "plain torch",
}
REMARKS = (NOT_BUILDABLE, NO_GRADIENT, UNKNOWN, NOT_BALANCED, FLOAT32, NOTES)


def note(name: str) -> str:
    return "; ".join(remarks[name] for remarks in REMARKS if name in remarks)


def row(name: str, found: Account | None) -> str:
    """One line; without an account the architecture was not built."""
    shown = f"`{name.rpartition('/')[2]}`"
    if found is None:
        return f"| {shown} | no | | | | {note(name)} |\n"
    if found.refused:
        return f"| {shown} | no | `{found.refused.split()[0]}` | | {found.precision} | {note(name)} |\n"
    imbalance = f"{found.imbalance:.0e}" if found.balanced else f"**{found.imbalance:.2f}**"
    return f"| {shown} | yes | | {imbalance} | {found.precision} | {note(name)} |\n"


def page() -> str:
    found = {name: None if name in NOT_BUILDABLE else account(name) for name in architectures()}
    classifiers = [found[name] for name in sequence_classifiers()]
    text = PAGE.format(
        balanced=sum(one is not None and one.balanced for one in classifiers),
        all=len(classifiers),
        transformers=transformers.__version__,
        torch=torch.__version__.partition("+")[0],
        tolerances=", ".join(f"{tolerance:.0e} ({kind})" for kind, tolerance in TOLERANCES.items()),
    )
    for prefix, family in FAMILIES.items():
        members = [name for name in found if name.rpartition("/")[0] == prefix]
        text += HEAD.format(family=family[0].upper() + family[1:])
        text += "".join(row(name, found[name]) for name in members)
    return text


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/architectures.md")
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target}")
