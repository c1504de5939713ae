"""Networks with what is needed to explain a cohort with them: who was trained on which cells, genes, classes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import nn

from .classifier import GeneClassifier
from .errors import CohortError, listed
from .files import whole_file
from .training import Training

FORMAT = 1


@dataclass(frozen=True)
class Classifiers:
    """One network per fold, and for each cell the one that has not seen it.

    Attributes
    ----------
    networks
        Network `k` was trained on all cells but those of fold `k`.
    folds
        By cell name, the fold of each cell.
    genes, classes
        The names of a network's inputs and outputs, in order.
    labels, layer
        The column of ``obs`` that was learnt, and the expression that was read.
    training
        The settings; None for a network that was trained elsewhere.
    accuracy
        One row per fold: cells, epochs, accuracies.
    """

    networks: tuple[nn.Module, ...]
    folds: pd.Series
    genes: tuple[str, ...]
    classes: tuple[str, ...]
    labels: str
    layer: str
    training: Training | None
    accuracy: pd.DataFrame

    def fold_of(self, adata: AnnData) -> np.ndarray:
        """Give the fold of each cell of a cohort, after checking that genes and cells are the ones known here."""
        if tuple(adata.var_names) != self.genes:
            absent = [gene for gene in self.genes if gene not in adata.var_names]
            extra = [gene for gene in adata.var_names if gene not in set(self.genes)]
            what = (
                f"{len(absent)} of the model's genes are absent{': ' + listed(absent, 5) if absent else ''}, "
                f"{len(extra)} are new{': ' + listed(extra, 5) if extra else ''}"
                if absent or extra
                else "they are in another order"
            )
            raise CohortError(
                f"the cohort's genes are not those the model was trained on: {what}; select them: adata[:, genes]"
            )
        unknown = adata.obs_names.difference(self.folds.index)
        if len(unknown):
            raise CohortError(
                f"{len(unknown)} of {adata.n_obs} cells were not in the training cohort, first '{unknown[0]}', so "
                "no network is known not to have seen them; train on the cohort that is explained"
            )
        return self.folds.loc[adata.obs_names].to_numpy()


def one_classifier(
    network: nn.Module, adata: AnnData, *, classes: Sequence[str], labels: str, layer: str = "X"
) -> Classifiers:
    """Wrap a network that was trained elsewhere, to explain a cohort that it has not seen.

    Parameters
    ----------
    network
        Any module from expression (cells x genes of `adata`, in that order) to logits (cells x classes).
    adata
        The cohort that will be explained.
    classes
        The names of the network's outputs, in order.
    labels
        The column of ``obs`` with each cell's own class.
    layer
        The expression to read: ``"X"``, ``"raw"`` or a layer.
    """
    return Classifiers(
        networks=(network,),
        folds=pd.Series(0, index=adata.obs_names),
        genes=tuple(adata.var_names),
        classes=tuple(str(one) for one in classes),
        labels=labels,
        layer=layer,
        training=None,
        accuracy=pd.DataFrame(),
    )


def save_classifiers(classifiers: Classifiers, path: str | Path) -> None:
    """Write built-in classifiers to one file: weights, names and settings, no code."""
    if not all(isinstance(network, GeneClassifier) for network in classifiers.networks):
        raise CohortError("only the built-in classifier can be written here; keep your own network with torch.save")
    content = {
        "format": FORMAT,
        "weights": [
            {name: value.cpu() for name, value in network.state_dict().items()} for network in classifiers.networks
        ],
        "cells": [str(cell) for cell in classifiers.folds.index],
        "folds": torch.as_tensor(classifiers.folds.to_numpy(dtype=np.int64)),
        "genes": list(classifiers.genes),
        "classes": list(classifiers.classes),
        "labels": classifiers.labels,
        "layer": classifiers.layer,
        "training": asdict(classifiers.training),
        "accuracy": classifiers.accuracy.to_dict("list"),
    }
    with whole_file(path) as temporary:
        torch.save(content, temporary)


def load_classifiers(path: str | Path, device: str = "cpu") -> Classifiers:
    """Read what `save_classifiers` wrote. Nothing in the file is executed."""
    if not Path(path).is_file():
        raise CohortError(f"there is no file '{path}'; write it with 'lrp-domains genes train'")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        known = content["format"]
    except Exception as error:
        raise CohortError(f"'{path}' is not a file of classifiers; write it with 'lrp-domains genes train'") from error
    if known != FORMAT:
        raise CohortError(f"'{path}' has format {known}, this version reads {FORMAT}; train again")
    training = Training(**content["training"])
    networks = []
    for weights in content["weights"]:
        network = GeneClassifier(len(content["genes"]), len(content["classes"]), training.hidden, training.dropout)
        network.load_state_dict(weights)
        networks.append(network.to(device).eval())
    return Classifiers(
        networks=tuple(networks),
        folds=pd.Series(content["folds"].numpy(), index=content["cells"]),
        genes=tuple(content["genes"]),
        classes=tuple(content["classes"]),
        labels=content["labels"],
        layer=content["layer"],
        training=training,
        accuracy=pd.DataFrame(content["accuracy"]),
    )
