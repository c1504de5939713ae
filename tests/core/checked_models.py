"""Small models to check, each with a function and inputs, and the rows of the table that `check` returns."""

import torch
from torch import nn

NAMES = ("repeatability", "conservation", "batch", "precision", "rewriting")
CASES = ("mlp", "transformer", "lstm")


def rows(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def dense(*sizes, dtype=torch.float64):
    return nn.Linear(*sizes, dtype=dtype)


def mlp(dtype=torch.float64):
    return nn.Sequential(dense(5, 8, dtype=dtype), nn.GELU(), dense(8, 3, dtype=dtype)).eval()


def case(name, dtype):
    """Return a model, a function that calls it, and inputs."""
    if name == "mlp":
        model = mlp(dtype)
        return model, model, rows(3, 5, dtype=dtype)
    if name == "transformer":
        model = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, dtype=dtype).eval()
        return model, lambda x: model(x)[:, 0, 1], rows(3, 4, 8, dtype=dtype)
    model = nn.LSTM(5, 6, batch_first=True, dtype=dtype).eval()
    return model, lambda x: model(x)[0][:, -1, 2], rows(3, 4, 5, dtype=dtype)


def verdicts(table):
    return {row.name: row.verdict for row in table.rows}


def row_of(table, name):
    return next(row for row in table.rows if row.name == name)
