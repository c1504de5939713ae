"""The built-in classifier: a small dense network on expression as it is."""

import torch
from torch import Tensor, nn


class GeneClassifier(nn.Module):
    """Dropout, dense, ReLU, dropout, dense: expression of genes to one logit per class.

    Expression goes in unscaled and uncentred, so a gene that isn't expressed in a cell adds nothing to any
    neuron and its relevance is exactly zero. Dropping genes at random during training keeps the network from
    resting on one gene where several tell the same.

    Parameters
    ----------
    genes, classes
        The number of inputs and of outputs.
    hidden
        The number of hidden neurons.
    dropout
        The share of genes, and of hidden neurons, that are dropped at random during training.
    """

    def __init__(self, genes: int, classes: int, hidden: int = 128, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(genes, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, expression: Tensor) -> Tensor:
        """Logits, cells x classes."""
        return self.layers(expression)


def parameter_of(network: nn.Module) -> Tensor:
    """Give a tensor whose dtype and device the network's input must have."""
    return next((p for p in network.parameters() if p.is_floating_point()), torch.zeros(()))
