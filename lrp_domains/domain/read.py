"""From one forward pass to the relevance of a domain's units."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from .. import ATTN_LRP, Ledger, RuleSet, ledger

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
    relevance = iter(account.relevance)
    return [read.per_unit([next(relevance) for _ in read.sources]) for read in reads], account
