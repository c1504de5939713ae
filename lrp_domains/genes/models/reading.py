"""How a network reads cells: what its inputs are, and how their relevance becomes relevance of genes."""

from typing import Protocol

from torch import Tensor, nn

from ...domain import Read


class InputReader(Protocol):
    """A function from values (cells x the model's genes, dense, on the network's device) to a forward pass.

    ``per_unit`` of the `Read` it returns goes from the relevance of the sources to cells x the model's genes.

    Examples
    --------
    A transformer with ``forward(gene_ids, values, padding)``, in the manner of scGPT. A gene's relevance is that of its
    embedding, which marks its presence, plus that of its value's; a gene that isn't expressed is padding and has none:

    >>> def read_values(network, values):
    ...     ids = torch.arange(values.shape[1], device=values.device).expand(values.shape)
    ...     with capture(network, "gene_encoder", "value_encoder") as captured:
    ...         logits = network(ids, values, values == 0)
    ...     return Read(logits, tuple(captured.values()), per_unit=lambda relevances: sum(relevances).sum(-1))
    >>> model = gene_model(network, genes, classes, reading=read_values)

    A module of scvi-tools, whose classifier is a method:

    >>> def read_scanvi(module, values):
    ...     x = values.detach().requires_grad_()
    ...     batch = torch.zeros(len(x), 1, dtype=torch.long, device=x.device)
    ...     return Read(module.classify(x, batch_index=batch), (x,), per_unit=lambda relevances: relevances[0])
    >>> model = gene_model(
    ...     scanvi.module.eval(), genes, classes, layer="counts", normalisation="counts", reading=read_scanvi
    ... )
    """

    def __call__(self, network: nn.Module, values: Tensor) -> Read[Tensor]:
        """Run `network` on `values`."""
        ...


def read_matrix(network: nn.Module, values: Tensor) -> Read[Tensor]:
    """Run a network on the values themselves: cells x genes."""
    x = values.detach().requires_grad_()
    return Read(outputs_of(network(x)), (x,), per_unit=lambda relevances: relevances[0])


def outputs_of(returned: object) -> object:
    """Extract the outputs, cells x classes, from what a network returned: a tensor, a tuple, or a named output."""
    outputs = getattr(returned, "logits", returned)
    if isinstance(outputs, (tuple, list)) and outputs:
        outputs = outputs[0]
    return outputs[:, None] if isinstance(outputs, Tensor) and outputs.ndim == 1 else outputs
