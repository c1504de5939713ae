"""Training one member of a fold's networks, reproducibly, unless it is already there."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..models.built_in import in_units
from ..models.classifier import parameter_of
from ..models.model import GeneModel, check_network
from .checkpoints import Finished, keep_finished, load_finished
from .fit import Read, fit
from .folds import bag
from .losses import loss_of, scale_of
from .one_thread import one_thread
from .settings import Training
from .target import Target

# From the number of genes and of outputs to a new network.
NetworkFactory = Callable[[int, int], nn.Module]
# Networks of fewer weights are trained faster on one thread.
SMALL = 3_000_000


@dataclass(frozen=True)
class Bench:
    """What all networks of one training share.

    Attributes
    ----------
    read, target
        From row numbers to expression, and what is learnt of each row.
    settings
        Without an ``"auto"``.
    make
        Gives a new network.
    untrained
        What the model will expect and give; without networks.
    device
        Where to train.
    kept
        Where finished networks are kept.
    """

    read: Read
    target: Target
    settings: Training
    make: NetworkFactory
    untrained: GeneModel
    device: torch.device
    kept: Finished

    def train(self, fold: int, member: int, learn: np.ndarray, validate: np.ndarray) -> tuple[nn.Module, int]:
        """Train one member of a fold's networks, unless it is already there; give it and its epochs."""
        settings, target = self.settings, self.target
        seeds = np.random.SeedSequence((settings.seed, fold, member))
        order = np.random.default_rng(seeds)
        gpus = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(gpus):  # the caller's random numbers go on as if nothing had been drawn
            torch.manual_seed(int(seeds.generate_state(1)[0]))
            network = self.make(len(self.untrained.expects.genes), len(target.names)).to(self.device)
            check_network(self.untrained, network, self.read(np.arange(2)).to(parameter_of(network)))
            path = self.kept.path(network, fold, member, learn, validate)
            epochs = load_finished(path, network)
            if epochs is None:
                own = bag(learn, target, order) if settings.members > 1 else learn
                loss = loss_of(target, learn, settings.balanced, parameter_of(network))
                with _threads(network):
                    epochs = fit(network, self.read, loss, own, validate, settings, order)
                keep_finished(path, network, epochs)
            if target.task == "value":
                network = in_units(network, *scale_of(target, learn))
        return network, epochs


def _threads(network: nn.Module):
    """Use one thread for small networks; a transformer's work is not seen from its number of weights."""
    attends = any(isinstance(module, nn.MultiheadAttention) for module in network.modules())
    small = not attends and sum(parameter.numel() for parameter in network.parameters()) < SMALL
    return one_thread() if small else nullcontext()
