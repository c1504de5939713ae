"""A model of expression: its networks, what they expect, what they give, and which cells each has seen."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ..errors import CohortError
from .classifier import parameter_of
from .evaluation_mode import evaluation_mode
from .input_spec import Expects, check_one_of
from .reading import Reading, outputs_of, read_matrix

TASKS = {
    "classes": "one logit per class",
    "value": "one number",
    "survival": "one log risk",
}


@dataclass(frozen=True)
class GeneModel:
    """Networks that read cells or patients, and what must be known to explain a cohort with them.

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
        The column of ``obs`` that was learnt; empty where that isn't known.
    folds
        By cell name, the fold whose networks have not seen the cell. None for a model that was trained elsewhere.
    reading
        How a network reads values; see `lrp_domains.genes.models.reading`.
    training
        The settings it was trained with, as a flat dictionary; empty for a model that was trained elsewhere.
    performance
        One row per fold: cells, epochs, accuracy, calibration.
    """

    networks: tuple[tuple[nn.Module, ...], ...]
    expects: Expects
    classes: tuple[str, ...]
    task: str = "classes"
    labels: str = ""
    folds: pd.Series | None = None
    reading: Reading = read_matrix
    training: dict[str, object] = field(default_factory=dict)
    performance: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __post_init__(self) -> None:
        check_one_of("task", self.task, TASKS)
        if len(set(self.classes)) < len(self.classes):
            raise CohortError(f"the model's classes are not unique: {self.classes}")
        if self.task == "classes" and len(self.classes) < 2:
            raise CohortError(f"a model of classes has two or more; given: {self.classes}")

    def fold_of(self, cells: Sequence[str]) -> np.ndarray:
        """Give the fold of each cell, -1 for a cell that no network has seen."""
        if self.folds is None:
            return np.full(len(cells), -1)
        return self.folds.reindex(cells).fillna(-1).to_numpy(dtype=np.int64)

    def unseen(self, fold: int) -> list[tuple[int, nn.Module]]:
        """Give the networks, with their numbers, that have not seen the cells of a fold; all of them for fold -1."""
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
        """Give a tensor whose dtype and device values must have: those of a network that reads them as they are.

        A reading of its own, which ranks values or looks them up, gets float32 at least: half precision doesn't tell
        1001 counts from 1002.
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
        """Give a hash of all weights, the same for the same weights wherever they lie."""
        found = hashlib.sha256()
        for _, network in self.unseen(-1):
            for name, value in network.state_dict().items():
                found.update(name.encode())
                if isinstance(value, Tensor):
                    found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return found.hexdigest()[:16]


def gene_model(
    network: nn.Module,
    genes: Sequence[str],
    classes: Sequence[str],
    *,
    layer: str = "X",
    normalisation: str = "log",
    identifiers: str = "symbol",
    most_missing: float = 0.2,
    task: str = "classes",
    labels: str = "",
    reading: Reading = read_matrix,
) -> GeneModel:
    """Declare a network that was trained elsewhere.

    Parameters
    ----------
    network
        Any module from expression (cells x genes, in the order of `genes`) to scores (cells x classes; a single logit
        does for two classes, and counts for the second).
    genes, classes
        The names of its inputs and outputs, in order.
    layer, normalisation, identifiers, most_missing
        What it expects; see `Expects`.
    task
        ``"classes"``, ``"value"`` or ``"survival"``.
    labels
        The column of ``obs`` with each cell's own class, where there is one.
    reading
        How it reads cells, if not as a matrix.

    Examples
    --------
    >>> model = gene_model(network, genes=adata.var_names, classes=["healthy", "tumour"], layer="counts",
    ...                    normalisation="log1p_cp10k")
    >>> relevance(adata, model)
    """
    if not isinstance(network, nn.Module):
        raise CohortError(f"the network is a {type(network).__name__}, not a torch.nn.Module")
    expects = Expects(tuple(genes), layer, normalisation, identifiers, most_missing)
    return GeneModel(((network,),), expects, tuple(str(one) for one in classes), task, labels, reading=reading)


def outputs(model: GeneModel, network: nn.Module, given: Tensor) -> Tensor:
    """Check a network's outputs against the declared classes; a single logit for two classes becomes two."""
    given = outputs_of(given)
    wanted = len(model.classes)
    if isinstance(given, Tensor) and given.ndim == 2 and given.shape[1] == 1 and wanted == 2:
        return torch.cat([-given / 2, given / 2], dim=1)  # whose difference is that logit
    if not isinstance(given, Tensor) or given.ndim != 2 or given.shape[1] != wanted:
        what = f"shape {tuple(given.shape)}" if isinstance(given, Tensor) else f"a {type(given).__name__}"
        raise CohortError(
            f"the network '{type(network).__name__}' gives {what}, not cells x {wanted}: one score for each of its "
            f"declared outputs ({', '.join(model.classes[:6])})"
        )
    return given


def predict(model: GeneModel, network: nn.Module, values: Tensor) -> Tensor:
    """Scores of one network, cells x classes, in eval mode and without a graph."""
    with evaluation_mode(network), torch.no_grad():
        return outputs(model, network, model.reading(network, values).outputs)


def check_network(model: GeneModel, network: nn.Module, values: Tensor) -> None:
    """Try a network on a cell or two: does it take these genes and give one score per class?"""
    try:
        predict(model, network, values)
    except CohortError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        raise CohortError(
            f"the network '{type(network).__name__}' does not take the {values.shape[1]} genes it expects: "
            f"{(str(error) or repr(error)).splitlines()[0]}"
        ) from error
