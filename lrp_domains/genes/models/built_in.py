"""The built-in networks by name, and how each is made from the settings of its training."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .classifier import GeneClassifier, GeneRegression
from .transformer import GeneTransformer

NETWORKS = {
    "mlp": "one hidden layer of ReLU neurons",
    "linear": "a weight per gene and output (multinomial logistic regression, for classes)",
    "transformer": "a small transformer whose tokens are a cell's expressed genes",
}
# Those that are trained on centred expression of bulk, because their first layer can absorb the centre.
CENTRED = ("mlp", "linear")
BUILT_IN = (GeneClassifier, GeneRegression, GeneTransformer)


def built_in(settings: Mapping[str, object], genes: int, outputs: int) -> nn.Module:
    """Make a new network from settings by name: ``network``, ``hidden``, ``dropout``, ``input_dropout``, ``tokens``."""
    shares = {"dropout": settings["dropout"], "input_dropout": settings["input_dropout"]}
    if settings["network"] == "linear":
        return GeneRegression(genes, outputs, input_dropout=settings["input_dropout"])
    if settings["network"] == "transformer":
        return GeneTransformer(genes, outputs, hidden=settings["hidden"], tokens=settings["tokens"], **shares)
    return GeneClassifier(genes, outputs, hidden=settings["hidden"], **shares)


def of_original_expression(network: nn.Module, centre: Tensor, scale: float) -> nn.Module:
    """Convert an MLP or a linear network that reads ``(x - centre) / scale`` to one that reads ``x``.

    Its first layer absorbs them, ``W / scale`` and ``b - W centre / scale``, so that it is the same function, and a
    gene of value 0 has no relevance.
    """
    first = next(module for module in network.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        first.weight.div_(scale)
        first.bias.sub_((first.weight.double() @ centre.double()).to(first.bias))
    return network


def in_original_scale(network: nn.Module, mean: float, deviation: float) -> nn.Module:
    """Convert a network of a standardised value to one of the value itself, so that relevance is on its scale too.

    The last layer of a built-in network absorbs the scale; any other network gets one more layer.
    """
    if not isinstance(network, BUILT_IN):
        scale = nn.Linear(1, 1).to(next(network.parameters()))
        with torch.no_grad():
            scale.weight.fill_(deviation)
            scale.bias.fill_(mean)
        return nn.Sequential(network, scale).eval()

    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(deviation)
        last.bias.mul_(deviation).add_(mean)
    return network
