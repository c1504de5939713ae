"""Whether the compiled explanation of each architecture computes the usual numbers, also for other batches."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import torch

from lrp_domains import ATTN_LRP, compile, relevance

from .known_exceptions import NOT_PADDED
from .zoo import Case, build, changed, forward


@dataclass(frozen=True)
class Recorded:
    """How an architecture was recorded: with one batch, then called with it, with other tokens, and with padding.

    Attributes
    ----------
    differences
        Per batch, the largest difference of scores and relevance from the usual ones, relative to their largest entry.
    anew
        The batches for which it was recorded once more.
    refused
        Why it is explained as usual; empty if it isn't.
    """

    differences: dict[str, float]
    anew: tuple[str, ...] = ()
    refused: str = ""


def recorded(name: str) -> Recorded:
    """Compile an architecture under AttnLRP, and compare with the usual pass."""
    case = build(name)
    names = list(case.batch)

    def rows_and_inputs(*values: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        run = forward(replace(case, batch=dict(zip(names, values, strict=True))), by_row=True)
        return run.score, run.inputs

    differences, anew = {}, []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explain = compile(rows_and_inputs, list(case.batch.values()), rules=ATTN_LRP, model=case.model)
        for kind, batch in batches(case).items():
            before = _recordings(explain)
            score, of_each = explain(*batch.values())
            if _recordings(explain) > before:
                anew.append(kind)
            run = forward(replace(case, batch=batch), by_row=True)
            usual = relevance(run.score, run.inputs, rules=ATTN_LRP, model=case.model)
            pairs = zip((score, *of_each), (run.score.detach(), *usual), strict=True)
            differences[kind] = max(_difference(a, b) for a, b in pairs)
    reasons = [str(w.message) for w in caught if "can't be compiled" in str(w.message)]
    return Recorded(differences, tuple(anew), reasons[0].rpartition("computed as usual: ")[2] if reasons else "")


def batches(case: Case) -> dict[str, dict[str, torch.Tensor]]:
    """Return the batches by what sets them apart from the first."""
    kinds = {"same": case.batch, "other": {**case.batch, **changed(case)}}
    name = case.architecture.name
    if "attention_mask" in case.batch and name not in NOT_PADDED:
        kinds["padded"] = build(name, padded=True).batch
    return {
        kind: {key: value.detach().requires_grad_(case.batch[key].requires_grad) for key, value in batch.items()}
        for kind, batch in kinds.items()
    }


def _recordings(explain) -> int:
    return sum(len(variants._recordings) for variants in explain._recorded._variants.values())


def _difference(a: torch.Tensor, b: torch.Tensor) -> float:
    if torch.equal(a, b):
        return 0.0
    return float((a - b).abs().max() / b.abs().max())
