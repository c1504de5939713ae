"""Explain samples by the units that a model read: genes, tokens, pixels."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import Tensor, nn

from ... import ATTN_LRP, SECANT, Ledger, RuleSet
from .computed import compute, compute_against
from .read import Read

Units = TypeVar("Units")


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
    computed = compute(scores, reads, rules=rules, model=model, unknown=unknown, retain_graph=retain_graph)
    return computed.units, computed.sums.ledger()


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
    computed = compute_against(run, inputs, references, rules=rules, model=model, unknown=unknown)
    return computed.units, computed.sums.ledger()
