"""A model of expression: its networks, what they expect, their outputs, and which cells each has seen."""

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor, nn

from ... import LrpError
from ...domain import check_choice, parameter_of, reason
from ..cohorts.values.input_spec import Expects
from ..cohorts.values.training_cells import TrainingCells
from ..decoys.scores import DecoyScores
from ..errors import CohortError
from .held_out import HeldOut
from .reading import InputReader, outputs_of, read_matrix

TASKS = {
    "classes": "one logit per class",
    "value": "one number",
    "survival": "one log risk",
}


@dataclass(frozen=True)
class GeneModel:
    """Networks that read cells or patients, and what is required to explain a cohort with them.

    Attributes
    ----------
    networks
        One tuple of networks per fold. The networks of a fold (bags, seeds) are explained together: relevance is
        the mean of theirs.
    expects
        What they expect of a cohort.
    task
        ``"classes"``, ``"value"`` or ``"survival"``.
    classes
        The names of the outputs, in order; one name for a value or a risk.
    labels
        The column of ``obs`` that was learnt; empty if unknown.
    training_cells
        The cells that it was trained on, and the fold of each; None for a model that was trained elsewhere.
    reading
        How a network reads values; see `lrp_domains.genes.models.reading`.
    training
        The settings it was trained with, as a flat dictionary; empty for a model that was trained elsewhere.
    performance
        One row per fold: cells, epochs, accuracy, calibration.
    held_out
        How well all held-out cells are predicted, beside chance; None for a model that was trained elsewhere.
    decoys
        What genes and their decoys score in the training cohort; None if no false discovery rate was asked for.
    """

    networks: tuple[tuple[nn.Module, ...], ...]
    expects: Expects
    classes: tuple[str, ...]
    task: str = "classes"
    labels: str = ""
    training_cells: TrainingCells | None = None
    reading: InputReader = read_matrix
    training: dict[str, object] = field(default_factory=dict)
    performance: pd.DataFrame = field(default_factory=pd.DataFrame)
    held_out: HeldOut | None = None
    decoys: DecoyScores | None = None

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        if len(set(self.classes)) < len(self.classes):
            raise CohortError(f"the model's classes are not unique: {self.classes}")
        if self.task == "classes" and len(self.classes) < 2:
            raise CohortError(f"a model of classes has two or more; got {self.classes}")

    @property
    def folds(self) -> pd.Series | None:
        """The fold of each training cell, whose networks have not seen it; None for a model trained elsewhere."""
        cells = self.training_cells
        return None if cells is None else pd.Series(cells.folds, index=cells.names)

    def unseen(self, fold: int) -> list[tuple[int, nn.Module]]:
        """Return the networks that have not seen the cells of a fold, with their numbers; all networks for fold -1."""
        numbered = list(enumerate(network for members in self.networks for network in members))
        if fold < 0:
            return numbered
        before = sum(len(members) for members in self.networks[:fold])
        return numbered[before : before + len(self.networks[fold])]

    @property
    def n_networks(self) -> int:
        """The number of networks, over all folds."""
        return sum(len(members) for members in self.networks)

    def values_like(self, network: nn.Module) -> Tensor:
        """Return a tensor with the dtype and device that values must have: those of a network that reads a matrix.

        Other ways of reading, which rank values or look them up, get at least float32: half precision doesn't
        distinguish 1001 counts from 1002.
        """
        like = parameter_of(network)
        half = like.dtype in (torch.bfloat16, torch.float16)
        return like.detach().float() if half and self.reading is not read_matrix else like

    def to(self, device: str | torch.device) -> "GeneModel":
        """Move all networks to a device, in place, as `torch.nn.Module.to` does."""
        for members in self.networks:
            for network in members:
                network.to(device)
        return self

    def digest(self) -> str:
        """Return a hash of all weights, which doesn't depend on their device."""
        digest = hashlib.sha256()
        for _, network in self.unseen(-1):
            for name, value in network.state_dict().items():
                digest.update(name.encode())
                if isinstance(value, Tensor):
                    digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]


def gene_model(
    network: nn.Module,
    genes: Sequence[str],
    classes: Sequence[str],
    *,
    layer: str = "X",
    normalisation: str = "log",
    identifiers: str = "symbol",
    most_missing: float = 0.2,
    log_base: float | str | None = None,
    task: str = "classes",
    labels: str = "",
    reading: InputReader = read_matrix,
) -> GeneModel:
    """Declare a network that was trained elsewhere.

    Parameters
    ----------
    network
        Any module from expression (cells x genes, in the order of `genes`) to scores (cells x classes; for two classes
        a single logit, that of the second class, is enough). Call ``network.eval()`` first where dropout or batch norm
        make a difference.
    genes, classes
        The names of its inputs and outputs, in order.
    layer, normalisation, identifiers, most_missing, log_base
        What it expects; see `Expects`.
    task
        ``"classes"``, ``"value"`` or ``"survival"``.
    labels
        The column of ``obs`` with each cell's class, if there is one.
    reading
        How it reads cells, if not as a matrix.

    Examples
    --------
    >>> model = gene_model(network.eval(), genes=adata.var_names, classes=["healthy", "tumour"], layer="counts",
    ...                    normalisation="log1p_cp10k")
    >>> relevance(adata, model)
    """
    if not isinstance(network, nn.Module):
        raise CohortError(f"the network is a {type(network).__name__}, not a torch.nn.Module")
    expects = Expects(
        tuple(genes),
        layer=layer,
        normalisation=normalisation,
        identifiers=identifiers,
        most_missing=most_missing,
        log_base=log_base,
    )
    names = tuple(str(name) for name in classes)
    return GeneModel(((network,),), expects, names, task=task, labels=labels, reading=reading)


def check_outputs(model: GeneModel, network: nn.Module, returned: object) -> Tensor:
    """Return a network's outputs, one per declared class; a single logit for two classes is split into two."""
    outputs, expected = outputs_of(returned), len(model.classes)
    if isinstance(outputs, Tensor) and outputs.ndim == 2 and outputs.shape[1] == 1 and expected == 2:
        return torch.cat([-outputs / 2, outputs / 2], dim=1)  # whose difference is that logit
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or outputs.shape[1] != expected:
        what = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        raise CohortError(
            f"the network '{type(network).__name__}' returns {what}, not cells x {expected}: expected one score for "
            f"each of its declared outputs ({', '.join(model.classes[:6])})"
        )
    return outputs


def predict(model: GeneModel, network: nn.Module, values: Tensor) -> Tensor:
    """Compute the scores of one network, cells x classes, without a graph."""
    with torch.no_grad():
        return check_outputs(model, network, model.reading(network, values).outputs)


def check_network(model: GeneModel, network: nn.Module, values: Tensor) -> bool:
    """Raise if a network doesn't accept some cells, or doesn't return one score per class for them.

    Returns
    -------
    Whether it returns probabilities, as after a softmax or a sigmoid, where logits are expected.
    """
    try:
        with torch.enable_grad():  # which records the last operation
            returned = model.reading(network, values).outputs
        check_outputs(model, network, returned)
    except LrpError:
        raise
    except torch.OutOfMemoryError as error:
        raise CohortError(f"memory runs out with {len(values)} cells ({reason(error)}); use device='cpu'") from error
    except Exception as error:  # whatever the network's code raises
        raise CohortError(_not_accepted(model, network, error)) from error
    return model.task == "classes" and are_probabilities(outputs_of(returned))


def _not_accepted(model: GeneModel, network: nn.Module, error: Exception) -> str:
    """Return the message that a network can't be run on the genes that it expects."""
    name, genes, why = type(network).__name__, len(model.expects.genes), reason(error)
    if model.reading is not read_matrix:
        reading = getattr(model.reading, "__name__", model.reading)
        return f"the network '{name}' could not be run by its reading '{reading}': {type(error).__name__}: {why}"
    if isinstance(error, (RuntimeError, ValueError, AssertionError)):  # as PyTorch raises for another shape
        return (
            f"the network '{name}' doesn't accept the {genes} genes it expects: {why}; if it takes something else than "
            "one tensor of cells x genes, pass a reading (see docs/own_model.md)"
        )
    return (
        f"the network '{name}' doesn't take one tensor of cells x {genes} genes; pass a reading (reading=..., see "
        f"docs/own_model.md), which makes of it what the network takes: {type(error).__name__}: {why}"
    )


def are_probabilities(outputs: Tensor) -> bool:
    """Return whether outputs of some cells are probabilities: from a softmax by their sums, from a sigmoid by its node.

    The logits of some cells may all be between 0 and 1 by chance, so without a sum the last operation decides.
    """
    values = outputs.detach().double()
    if bool((values < 0).any()) or bool((values > 1).any()):
        return False
    if values.shape[1] > 1 and bool(((values.sum(1) - 1).abs() < 1e-3).all()):
        return True
    return outputs.grad_fn is not None and outputs.grad_fn.name().startswith("Sigmoid")


def warn_of_probabilities(model: GeneModel) -> None:
    """Warn of a network that returns probabilities where logits are expected."""
    _, network = model.unseen(-1)[0]
    warnings.warn(
        f"the network '{type(network).__name__}' returns probabilities, as after a softmax or a sigmoid, and they are "
        "explained as if they were logits: a probability saturates and hides what it depends on; leave the last "
        "softmax or sigmoid out of the network, for example torch.nn.Sequential(*list(network)[:-1])",
        stacklevel=5,
    )
