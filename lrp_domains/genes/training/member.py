"""Training one member of a fold's networks, reproducibly, unless it has a checkpoint."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ...domain import parameter_of
from ...domain.hardware.threads import one_thread
from ..models.built_in import in_original_scale, of_original_expression
from ..models.model import GeneModel, check_network
from .checkpoints import Checkpoints
from .fit import fit
from .fold_data import FoldData
from .folds import bag
from .losses import loss_of, scale_of
from .settings import Training
from .target import Target

# From the number of genes and of outputs to a new network.
NetworkFactory = Callable[[int, int], nn.Module]
# Networks with fewer weights are trained faster on one thread.
SMALL = 3_000_000
# The log loss at which the validation cells are predicted; further epochs would only make the scores larger.
SOLVED = 0.01


@dataclass(frozen=True)
class MemberTraining:
    """What the members of all folds have in common.

    Attributes
    ----------
    target
        What is learnt of each row.
    settings
        Without None.
    make
        Returns a new network.
    untrained
        The input and outputs of the model, without networks.
    device
        Where to train.
    checkpoints
        Where finished networks are kept.
    """

    target: Target
    settings: Training
    make: NetworkFactory
    untrained: GeneModel
    device: torch.device
    checkpoints: Checkpoints

    def train(self, fold: FoldData, member: int) -> tuple[nn.Module, int]:
        """Train one member of a fold's networks, or load its checkpoint; return it with its number of epochs."""
        settings, target, learn = self.settings, self.target, fold.learn
        seeds = np.random.SeedSequence((settings.seed, fold.number, member))
        order = np.random.default_rng(seeds)
        gpus = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(gpus):  # the caller's random numbers continue as if none had been drawn
            torch.manual_seed(int(seeds.generate_state(1)[0]))
            network = self.make(len(self.untrained.expects.genes), len(target.names)).to(self.device)
            # In eval mode, because batch norm would otherwise already learn from these two cells.
            check_network(self.untrained, network.eval(), fold.expression(np.arange(2)).to(parameter_of(network)))

            path = self.checkpoints.path(network, (fold.number, member, learn, fold.validate))
            epochs = self.checkpoints.load(path, network)
            if epochs is None:
                sample = bag(learn, target, order) if settings.members > 1 else learn
                loss = loss_of(target, learn, balanced=settings.balanced, like=parameter_of(network))
                with _threads(network):
                    epochs = fit(
                        network,
                        fold.centring.applied_to(fold.expression) if fold.centring else fold.expression,
                        loss,
                        learn=sample,
                        validate=fold.validate,
                        training=settings,
                        order=order,
                        enough=SOLVED if target.task == "classes" else 0.0,
                    )
                if fold.centring:
                    of_original_expression(network, fold.centring.centre, fold.centring.scale)
                self.checkpoints.save(path, network, epochs)
            if target.task == "value":
                network = in_original_scale(network, *scale_of(target, learn))
        return network, epochs


def _threads(network: nn.Module):
    """Use one thread for small networks; the cost of a transformer doesn't follow from its number of weights."""
    attends = any(isinstance(module, nn.MultiheadAttention) for module in network.modules())
    small = not attends and sum(parameter.numel() for parameter in network.parameters()) < SMALL
    return one_thread() if small else nullcontext()
