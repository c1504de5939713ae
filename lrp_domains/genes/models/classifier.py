"""The built-in networks that read all genes at once: dense, and linear."""

from torch import Tensor, nn


class GeneClassifier(nn.Module):
    """Dropout, dense, ReLU, dropout, dense: from the expression of genes to one score per output.

    Expression is neither scaled nor centred, so a gene that isn't expressed in a cell adds nothing to any neuron, and
    its relevance is exactly zero. Dropping genes at random during training keeps the network from relying on one gene
    where several carry the same information.

    Parameters
    ----------
    genes, outputs
        The number of inputs and of outputs.
    hidden
        The number of hidden neurons.
    dropout, input_dropout
        The share of hidden neurons, and of genes, that are dropped at random during training.
    """

    def __init__(
        self, genes: int, outputs: int, hidden: int = 128, dropout: float = 0.2, input_dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(input_dropout),
            nn.Linear(genes, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )

    def forward(self, expression: Tensor) -> Tensor:
        """Compute the scores, cells x outputs."""
        return self.layers(expression)


class GeneRegression(nn.Module):
    """A weight per gene and output: multinomial logistic regression for classes, linear for a value or a risk.

    Weights start at zero, so the weights of a gene that is never expressed stay zero.

    Parameters
    ----------
    genes, outputs
        The number of inputs and of outputs.
    input_dropout
        The share of genes that are dropped at random during training; it acts as a ridge penalty on the scale of each
        gene.
    """

    def __init__(self, genes: int, outputs: int, input_dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Dropout(input_dropout), nn.Linear(genes, outputs))
        nn.init.zeros_(self.layers[1].weight)
        nn.init.zeros_(self.layers[1].bias)

    def forward(self, expression: Tensor) -> Tensor:
        """Compute the scores, cells x outputs."""
        return self.layers(expression)
