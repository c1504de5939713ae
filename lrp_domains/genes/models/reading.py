"""How a network reads cells: what goes in, and how the relevance of that becomes relevance of genes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class Read:
    """One forward pass over some cells.

    Attributes
    ----------
    outputs
        Cells x outputs, with its graph.
    sources
        The tensors whose relevance is wanted.
    per_gene
        From their relevances to relevance of genes: cells x the model's genes.
    """

    outputs: Tensor
    sources: tuple[Tensor, ...]
    per_gene: Callable[[Sequence[Tensor]], Tensor]


class Reading(Protocol):
    """From values (cells x the model's genes, dense, on the network's device) to a forward pass.

    Examples
    --------
    A transformer with ``forward(gene_ids, values, padding)``, in the manner of scGPT. A gene's relevance is that of its
    own embedding, which says that it is there, and that of its value's; what isn't expressed is padding, with none:

    >>> def read_values(network, values):
    ...     ids = torch.arange(values.shape[1], device=values.device).expand(values.shape)
    ...     with capture(network, "gene_encoder", "value_encoder") as kept:
    ...         logits = network(ids, values, values == 0)
    ...     return Read(logits, tuple(kept.values()), lambda relevances: sum(relevances).sum(-1))
    >>> model = gene_model(network, genes, classes, reading=read_values)

    A module of scvi-tools, whose classifier is a method:

    >>> def read_scanvi(module, values):
    ...     x = values.detach().requires_grad_()
    ...     batch = torch.zeros(len(x), 1, dtype=torch.long, device=x.device)
    ...     return Read(module.classify(x, batch_index=batch), (x,), lambda relevances: relevances[0])
    >>> model = gene_model(scanvi.module, genes, classes, layer="counts", normalisation="counts", reading=read_scanvi)
    """

    def __call__(self, network: nn.Module, values: Tensor) -> Read:
        """Run `network` on `values`."""
        ...


def read_matrix(network: nn.Module, values: Tensor) -> Read:
    """Give a network the values themselves: cells x genes."""
    x = values.detach().requires_grad_()
    return Read(outputs_of(network(x)), (x,), lambda relevances: relevances[0])


def outputs_of(given) -> Tensor:
    """Give a network's scores, cells x outputs, from what it returned: a tensor, a tuple, or a named output."""
    given = getattr(given, "logits", given)
    if isinstance(given, (tuple, list)) and given:
        given = given[0]
    return given[:, None] if isinstance(given, Tensor) and given.ndim == 1 else given
