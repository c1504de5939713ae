"""Declarations of networks, and the files that they name."""

import io

import torch
import yaml
from torch import nn

from lrp_domains.domain import declared_network, read_declaration

SCHEMA = {
    "required": ["classes"],
    "properties": {"size": {"type": "integer", "minimum": 1}, "names": {"type": "string"}},
}


def declared(folder, **keys):
    """Write a declaration, without the keys that are None; return its path."""
    content = {"network": "net.pt2", "classes": ["cat", "dog", "fox"]} | keys
    content = {key: value for key, value in content.items() if value is not None}
    (folder / "model.yaml").write_text(yaml.safe_dump(content))
    return folder / "model.yaml"


def load(path, **allowed):
    return declared_network(read_declaration(path, SCHEMA), path, **allowed)


def dense():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    network(torch.rand(64, 6))  # so that batch norm has something to say
    return network.double().eval()


def export(network, path, *widths, dynamic=True):
    widths = widths or (6,)
    shapes = {"dynamic_shapes": tuple({0: torch.export.Dim("n", min=1)} for _ in widths)} if dynamic else {}
    examples = tuple(torch.rand(4, width, dtype=next(network.parameters()).dtype) for width in widths)
    torch.export.save(torch.export.export(network, examples, **shapes), path)


class Runs:
    """A pickle of it leaves a file behind when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def pickled(path):
    buffer = io.BytesIO()
    torch.save(Runs(path), buffer)
    return buffer.getvalue()
