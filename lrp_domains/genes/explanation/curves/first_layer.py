"""The linear layer through which alone a network reads genes, so that changing some genes is little work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...models.model import GeneModel, predict
from ...models.reading import read_matrix

TOLERANCE = 1e-4


@dataclass(frozen=True)
class FirstLayer:
    """The linear layer of a network that all genes pass through, and nothing else.

    Attributes
    ----------
    model, network
        The model, and the network that the layer is of.
    layer
        The layer.
    scale
        The change of the layer's input per unit of each gene.
    """

    model: GeneModel = field(repr=False)
    network: nn.Module = field(repr=False)
    layer: nn.Linear = field(repr=False)
    scale: Tensor = field(repr=False)

    def outputs_of(self, cells: Tensor) -> Tensor:
        """Compute the layer's outputs for some cells: cells x neurons."""
        with _calls(self.layer) as calls:
            predict(self.model, self.network, cells)
        return calls[0][1]

    def changes(self, change: Tensor, genes: Tensor) -> Tensor:
        """Return how the layer's outputs change with some genes.

        Parameters
        ----------
        change
            Cells x these genes.
        genes
            Their numbers.
        """
        return change @ (self.layer.weight.detach()[:, genes] * self.scale[genes]).T

    def predict_from(self, outputs: Tensor) -> Tensor:
        """Compute the network's outputs from those of its layer: one row per row."""
        any_cells = self.layer.weight.new_zeros(1, self.layer.in_features).expand(len(outputs), -1)
        with _replaced(self.layer, outputs):
            return predict(self.model, self.network, any_cells)


def first_layer(model: GeneModel, network: nn.Module) -> FirstLayer | None:
    """Find the linear layer that a network reads its genes through; None if there is none, or if it isn't the only way.

    Three made cells show that the layer's input is each gene times a scale plus a constant, and that the outputs follow
    from the layer's alone.
    """
    like, genes = model.values_like(network), len(model.expects.genes)
    layers = [module for module in network.modules() if type(module) is nn.Linear and module.in_features == genes]
    if model.reading is not read_matrix or len(layers) != 1 or like.dtype not in (torch.float32, torch.float64):
        return None
    (layer,) = layers
    probes = torch.stack([torch.zeros(genes), torch.ones(genes), torch.linspace(0.1, 2, genes)]).to(like)
    with _calls(layer) as calls:
        expected = predict(model, network, probes)
    if len(calls) != 1 or calls[0][0].shape != probes.shape:
        return None

    inputs, outputs = calls[0]
    found = FirstLayer(model, network, layer=layer, scale=inputs[1] - inputs[0])
    affine = inputs[0] + found.scale * probes
    if not _close(affine, inputs) or not _close(found.predict_from(outputs), expected):
        return None
    return found


def _close(values: Tensor, expected: Tensor) -> bool:
    return bool(((values - expected).abs() <= TOLERANCE * (1 + expected.abs())).all())


@contextmanager
def _calls(layer: nn.Linear) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Record what a layer is called with and what it returns."""
    calls: list[tuple[Tensor, Tensor]] = []
    handle = layer.register_forward_hook(
        lambda _, inputs, outputs: calls.append((inputs[0].detach(), outputs.detach()))
    )
    try:
        yield calls
    finally:
        handle.remove()


@contextmanager
def _replaced(layer: nn.Linear, outputs: Tensor) -> Iterator[None]:
    """Temporarily make a layer return given outputs."""
    layer.forward = lambda _: outputs
    try:
        yield
    finally:
        del layer.forward
