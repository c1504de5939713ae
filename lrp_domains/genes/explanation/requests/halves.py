"""The groups of cells whose predicted value or risk is explained: above or below the median."""

import numpy as np
import pandas as pd
import torch

from ....domain import BatchSize
from ... import slots
from ...cohorts.values.expression import Chunk, Expression, dense_batch
from ...models.model import GeneModel, predict

HALVES = ("low", "high")


def halves(expression: Expression, model: GeneModel, size: int) -> pd.Series:
    """Split cells by their predicted value or risk: above or below the median of their fold.

    Networks of different folds needn't have the same zero, in particular for a risk.
    """
    folds = np.empty(expression.n_cells, np.int64)
    predicted = pd.Series(np.empty(expression.n_cells), index=expression.cells)
    batch = BatchSize(size, "cells")
    for chunk in expression.chunks(size):
        folds[chunk.start : chunk.stop] = chunk.folds
        for fold in np.unique(chunk.folds):
            networks = [network for _, network in model.unseen(int(fold))]

            def mean(rows: np.ndarray, chunk: Chunk = chunk, networks: list = networks) -> np.ndarray:
                values = dense_batch(chunk.values, rows, model.values_like(networks[0]))
                outputs = [predict(model, network, values)[:, 0] for network in networks]
                return torch.stack(outputs).mean(0).double().cpu().numpy()

            rows = np.flatnonzero(chunk.folds == fold)
            predicted.iloc[chunk.start + rows] = np.concatenate(list(batch.run(mean, rows)))

    high = predicted > predicted.groupby(folds).transform("median")
    half = pd.Categorical.from_codes(high.to_numpy().astype(int), categories=HALVES)
    return pd.Series(half, index=expression.cells, name=slots.PREDICTED)
