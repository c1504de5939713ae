"""Trained models on disk: one file with weights, names and settings, no code."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..errors import CohortError
from ..files import whole_file
from .classifier import GeneClassifier
from .expects import Expects
from .model import GeneModel

FORMAT = 2


def save_model(model: GeneModel, path: str | Path) -> None:
    """Write built-in networks to one file: weights, names and settings, no code."""
    networks = [network for _, network in model.unseen(-1)]
    if not all(isinstance(network, GeneClassifier) for network in networks):
        raise CohortError("only built-in networks can be written here; keep your own with torch.save or torch.export")
    content = {
        "format": FORMAT,
        "weights": [
            [{name: value.cpu() for name, value in network.state_dict().items()} for network in members]
            for members in model.networks
        ],
        "expects": asdict(model.expects),
        "classes": list(model.classes),
        "task": model.task,
        "labels": model.labels,
        "cells": [str(cell) for cell in model.folds.index],
        "folds": torch.as_tensor(model.folds.to_numpy(dtype=np.int64)),
        "training": model.training,
        "performance": model.performance.to_dict("list"),
    }
    with whole_file(path) as temporary:
        torch.save(content, temporary)


def load_trained(path: str | Path) -> GeneModel:
    """Read what `save_model` wrote. Nothing in the file is executed."""
    if not Path(path).is_file():
        raise CohortError(f"there is no file '{path}'; write it with 'lrp-domains genes train'")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        known = content["format"]
    except Exception as error:
        raise CohortError(
            f"'{path}' is not a file of trained models; write it with 'lrp-domains genes train'"
        ) from error
    if known != FORMAT:
        raise CohortError(f"'{path}' has format {known}, this version reads {FORMAT}; train again")
    training, expects = content["training"], Expects(**content["expects"])
    networks = []
    for members in content["weights"]:
        networks.append([])
        for weights in members:
            network = GeneClassifier(
                len(expects.genes), len(content["classes"]), training["hidden"], training["dropout"]
            )
            network.load_state_dict(weights)
            networks[-1].append(network.eval())
    return GeneModel(
        networks=tuple(tuple(members) for members in networks),
        expects=expects,
        classes=tuple(content["classes"]),
        task=content["task"],
        labels=content["labels"],
        folds=pd.Series(content["folds"].numpy(), index=content["cells"]),
        training=training,
        performance=pd.DataFrame(content["performance"]),
    )
