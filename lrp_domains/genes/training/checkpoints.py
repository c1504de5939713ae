"""Networks that an interrupted training has already finished, in a folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import nn

from ...domain.files import whole_file
from ..cohorts.normalisation import Matrix


@dataclass(frozen=True)
class Finished:
    """A folder of trained networks, each named by a hash of all that made it.

    Attributes
    ----------
    folder
        Where they lie; None to keep none.
    data
        What all networks of a training have in common, as a hash.
    """

    folder: Path | None
    data: str

    def path(self, network: nn.Module, *facts: object) -> Path | None:
        """Name the file of a network by its structure, its first weights and other facts."""
        if self.folder is None:
            return None
        state = [value.detach().cpu().numpy() for value in network.state_dict().values()]
        return self.folder / f"{digest(self.data, repr(network), *state, *facts)}.pt"


def load_finished(path: Path | None, network: nn.Module) -> int | None:
    """Give `network` the weights in a file and say after how many epochs; None where there is no such file."""
    if path is None or not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(content["weights"])
        epochs = int(content["epochs"])
    except Exception:  # a broken file is as good as none: the network is trained again, and the file replaced
        return None
    network.eval()
    return epochs


def keep_finished(path: Path | None, network: nn.Module, epochs: int) -> None:
    """Write a network's weights to a file that appears whole or not at all."""
    if path is None:
        return
    with whole_file(path) as temporary:
        torch.save({"weights": network.state_dict(), "epochs": epochs}, temporary)


def digest(*facts: object) -> str:
    """Give a hash of arrays, matrices and whatever prints what it is."""
    found = hashlib.sha256()
    for fact in facts:
        for part in parts_of(fact):
            found.update(part)
            found.update(b"\0")
    return found.hexdigest()[:32]


def parts_of(fact: object) -> list[bytes]:
    """Give the bytes of a fact."""
    if sparse.issparse(fact):
        return [part for array in (fact.data, fact.indices, fact.indptr) for part in parts_of(array)]
    if isinstance(fact, np.ndarray) and fact.dtype != object:
        return [f"{fact.dtype}{fact.shape}".encode(), np.ascontiguousarray(fact).tobytes()]
    return [repr(fact).encode()]


def finished_in(folder: str | Path | None, matrix: Matrix, *facts: object) -> Finished:
    """Open a folder for the networks of one training; without a folder nothing is hashed."""
    if folder is None:
        return Finished(None, "")
    return Finished(Path(folder), digest(matrix, *facts))
