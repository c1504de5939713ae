"""Trained models on disk: one file with weights, names and settings, no code."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ...domain import whole_file
from ..cohorts.values.input_spec import Expects
from ..cohorts.values.training_cells import TrainingCells
from ..decoys.scores import DecoyScores
from ..errors import CohortError
from .built_in import BUILT_IN, built_in
from .held_out import HeldOut
from .model import GeneModel

FORMAT = 4


def save_model(model: GeneModel, path: str | Path) -> None:
    """Write built-in networks to one file: weights, names and settings, no code.

    Parameters
    ----------
    model
        From `train`, with one of the built-in networks.
    path
        The file; it appears whole or not at all.
    """
    networks = [network for _, network in model.unseen(-1)]
    cells = model.training_cells
    if cells is None or not all(isinstance(network, BUILT_IN) for network in networks):
        raise CohortError(
            "only built-in networks that were trained here can be written; save others with torch.save or torch.export"
        )

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
        "cells": [str(name) for name in cells.names],
        "folds": torch.as_tensor(cells.folds),
        "contents": torch.as_tensor(cells.contents.view(np.int64)),
        "moments": None if cells.moments is None else [torch.as_tensor(moments) for moments in cells.moments],
        "training": model.training,
        "performance": model.performance.to_dict("list"),
        "decoys": None if model.decoys is None else _plain(model.decoys.to_slot()),
        "held_out": asdict(model.held_out),
    }

    # To an open file: torch names the content of a path by it, so that equal models would differ in bytes.
    with whole_file(path) as temporary, temporary.open("wb") as file:
        torch.save(content, file)


def load_trained(path: str | Path) -> GeneModel:
    """Load a file that `save_model` wrote. Nothing in the file is executed.

    Raises
    ------
    CohortError
        The file is missing, truncated, foreign, or of another version.
    """
    if not Path(path).is_file():
        raise CohortError(f"there is no file '{path}'; write it with 'lrp-domains genes train'")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = content["format"]
    except Exception as error:  # torch raises half a dozen kinds for a truncated or foreign file
        raise _foreign(path) from error
    if version != FORMAT:
        raise CohortError(f"'{path}' has format {version}, this version reads {FORMAT}; train again")
    try:
        return _model_of(content)
    except Exception as error:  # whatever else is wrong: missing names, weights of another shape
        raise _foreign(path) from error


def _model_of(content: dict) -> GeneModel:
    """Rebuild a model from the content of its file, in eval mode."""
    training, expects = content["training"], Expects(**content["expects"])

    def network_of(weights: dict[str, torch.Tensor]) -> torch.nn.Module:
        network = built_in(training, len(expects.genes), len(content["classes"]))
        network.load_state_dict(weights)
        return network.eval()

    return GeneModel(
        networks=tuple(tuple(network_of(weights) for weights in members) for members in content["weights"]),
        expects=expects,
        classes=tuple(content["classes"]),
        task=content["task"],
        labels=content["labels"],
        training_cells=_training_cells_of(content),
        training=training,
        performance=pd.DataFrame(content["performance"]),
        held_out=HeldOut(**content["held_out"]),
        decoys=None if content["decoys"] is None else DecoyScores.from_slot(content["decoys"]),
    )


def _training_cells_of(content: dict) -> TrainingCells:
    """Rebuild what a model knows of its training cells."""
    moments = content["moments"]
    return TrainingCells(
        names=np.array(content["cells"], dtype=object),
        folds=content["folds"].numpy(),
        contents=content["contents"].numpy().view(np.uint64),
        moments=None if moments is None else tuple(values.numpy() for values in moments),
    )


def _plain(arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """Return arrays as tensors, and arrays of names as lists, which can be read without executing anything."""
    return {
        name: [str(value) for value in array] if array.dtype == object else torch.as_tensor(array)
        for name, array in arrays.items()
    }


def _foreign(path: str | Path) -> CohortError:
    return CohortError(f"'{path}' is not a whole file of trained models; write it with 'lrp-domains genes train'")
