"""The built-in networks by name, and how each is made from the settings of its training."""

from collections.abc import Mapping

import torch
from torch import nn

from .classifier import GeneClassifier, GeneRegression
from .transformer import GeneTransformer

NETWORKS = {
    "mlp": "one hidden layer of ReLU neurons",
    "linear": "a weight per gene and output (multinomial logistic regression, for classes)",
    "transformer": "a small transformer whose tokens are a cell's expressed genes",
}
BUILT_IN = (GeneClassifier, GeneRegression, GeneTransformer)


def built_in(settings: Mapping[str, object], genes: int, outputs: int) -> nn.Module:
    """Make a new network from settings by name: ``network``, ``hidden``, ``dropout``, ``input_dropout``, ``tokens``."""
    dropout, input_dropout = settings["dropout"], settings["input_dropout"]
    if settings["network"] == "linear":
        return GeneRegression(genes, outputs, input_dropout)
    if settings["network"] == "transformer":
        return GeneTransformer(genes, outputs, settings["hidden"], dropout, input_dropout, settings["tokens"])
    return GeneClassifier(genes, outputs, settings["hidden"], dropout, input_dropout)


def in_units(network: nn.Module, mean: float, deviation: float) -> nn.Module:
    """Let a network of a standardised value give the value itself, so that relevance is in its units too.

    The last layer of a built-in network takes the scale in; another network gets one more layer.
    """
    if not isinstance(network, BUILT_IN):
        units = nn.Linear(1, 1).to(next(network.parameters()))
        with torch.no_grad():
            units.weight.fill_(deviation)
            units.bias.fill_(mean)
        return nn.Sequential(network, units).eval()
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(deviation)
        last.bias.mul_(deviation).add_(mean)
    return network
