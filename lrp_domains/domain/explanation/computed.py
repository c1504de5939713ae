"""The explanation of a batch in tensors: nothing is read from the device, so that it can be recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor, nn

from ... import ATTN_LRP, SECANT, RuleSet
from ...core.difference import Request, differences
from ...core.ledger import Sums, sums_of
from ...core.relevance_against import sums_against
from .read import Read

Units = TypeVar("Units")


@dataclass(frozen=True)
class Computed(Generic[Units]):
    """The explanation of a batch.

    Attributes
    ----------
    units
        The relevance of units, per read.
    sums
        The ledger, whose numbers are still on the device.
    others
        Other tensors by name, such as scores.
    """

    units: list[Units]
    sums: Sums
    others: Mapping[str, Tensor] = field(default_factory=dict)


def compute(
    scores: Tensor,
    reads: Sequence[Read[Units]],
    *,
    rules: RuleSet = ATTN_LRP,
    model: nn.Module | None = None,
    unknown: str = "error",
    retain_graph: bool = False,
) -> Computed[Units]:
    """Explain one score per sample; see `explain`."""
    sources = [source for read in reads for source in read.sources]
    sums = sums_of(scores, sources, rules=rules, model=model, unknown=unknown, retain_graph=retain_graph)
    return Computed(_units_of(reads, sums), sums)


def compute_against(
    run: Callable[..., tuple[Tensor, Sequence[Read[Units]]]],
    inputs: Sequence[Tensor],
    references: Sequence[Tensor],
    *,
    rules: RuleSet = SECANT,
    model: nn.Module | None = None,
    unknown: str = "error",
) -> Computed[Units]:
    """Explain the difference between the score of each sample and that of its reference; see `explain_against`."""
    of_inputs: list[Read[Units]] = []

    def scores_and_sources(*tensors: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        scores, reads = run(*tensors)
        if not of_inputs:  # the first call is for the inputs
            of_inputs.extend(reads)
        return scores, tuple(source for read in reads for source in read.sources)

    request = Request(scores_and_sources, rules, None, "own", model, unknown)
    sums = sums_against(differences(request, inputs, references), request)
    return Computed(_units_of(of_inputs, sums), sums)


def _units_of(reads: Sequence[Read[Units]], sums: Sums) -> list[Units]:
    """Return the relevance of units per read, from that of all sources in order."""
    relevance = iter(sums.relevance)
    return [read.per_unit([next(relevance) for _ in read.sources]) for read in reads]
