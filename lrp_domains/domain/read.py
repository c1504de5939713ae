"""From one forward pass to the relevance of a domain's units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from .. import ATTN_LRP, SECANT, Ledger, RuleSet, ledger, ledger_against

Units = TypeVar("Units")


@dataclass(frozen=True)
class Read(Generic[Units]):
    """One forward pass over a batch of samples.

    Attributes
    ----------
    outputs
        What the model returned, with its graph.
    sources
        The tensors to explain: an input, or the outputs of embeddings.
    per_unit
        From the relevance of each source, of its shape, to the relevance of units: genes, tokens, pixels.
    """

    outputs: Any
    sources: tuple[Tensor, ...]
    per_unit: Callable[[Sequence[Tensor]], Units]


def explain(
    scores: Tensor,
    reads: Sequence[Read[Units]],
    *,
    rules: RuleSet = ATTN_LRP,
    model: nn.Module | None = None,
    unknown: str = "error",
    retain_graph: bool = False,
) -> tuple[list[Units], Ledger]:
    """Explain one score per sample by the units that were read.

    Parameters
    ----------
    scores
        One number per sample, computed from the outputs of all reads.
    reads
        Forward passes over the same samples: one, or one per network whose scores were averaged.
    rules, model, unknown, retain_graph
        As in `lrp_domains.ledger`.

    Returns
    -------
    units
        The relevance of units, per read.
    account
        The ledger of the batch.

    Examples
    --------
    >>> x = images.requires_grad_()
    >>> read = Read(model(x), (x,), lambda relevance: relevance[0].sum(1))  # a pixel sums its channels
    >>> (pixels,), account = explain(score_of(read.outputs, target), [read])
    """
    sources = [source for read in reads for source in read.sources]
    account = ledger(scores, sources, rules=rules, model=model, unknown=unknown, retain_graph=retain_graph)
    return _of_units(reads, account), account


def explain_against(
    run: Callable[..., tuple[Tensor, Sequence[Read[Units]]]],
    inputs: Sequence[Tensor],
    references: Sequence[Tensor],
    *,
    rules: RuleSet = SECANT,
    model: nn.Module | None = None,
    unknown: str = "error",
) -> tuple[list[Units], Ledger]:
    """Explain the difference between the score of each sample and that of its reference.

    Parameters
    ----------
    run
        ``run(*inputs)`` returns one score per sample and the forward passes that it was computed from. It is called
        once with the inputs and once with each reference.
    inputs, references, rules, model, unknown
        As in `lrp_domains.ledger_against`. What is explained are the sources of the reads.

    Returns
    -------
    units
        The relevance of units, per read.
    account
        The ledger of the batch.

    Examples
    --------
    >>> def run(images):
    ...     read = Read(model(images), (images,), lambda relevance: relevance[0].sum(1))
    ...     return read.outputs[:, 3], [read]
    >>> (pixels,), account = explain_against(run, [images], [torch.zeros_like(images)])
    """
    of_inputs: list[Read[Units]] = []

    def scores_and_sources(*tensors: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        scores, reads = run(*tensors)
        if not of_inputs:  # the first call is for the inputs
            of_inputs.extend(reads)
        return scores, tuple(source for read in reads for source in read.sources)

    account = ledger_against(scores_and_sources, inputs, references, rules=rules, model=model, unknown=unknown)
    return _of_units(of_inputs, account), account


def _of_units(reads: Sequence[Read[Units]], account: Ledger) -> list[Units]:
    """Return the relevance of units per read, from that of all sources in order."""
    relevance = iter(account.relevance)
    return [read.per_unit([next(relevance) for _ in read.sources]) for read in reads]
