"""Checkpoints: finished networks of a training, kept in a folder so that an interrupted run resumes."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import nn

from ...domain import locked, whole_file


@dataclass(frozen=True)
class Checkpoints:
    """A folder of trained networks, each named by a hash of everything that determines it.

    Attributes
    ----------
    folder
        Where they are kept; None to keep none.
    data
        A hash of what all networks of a training have in common.
    """

    folder: Path | None
    data: str

    def path(self, network: nn.Module, facts: Sequence[object]) -> Path | None:
        """Return the file of a network, from its structure, its initial weights and other facts."""
        if self.folder is None:
            return None
        state = [value.detach().cpu().numpy() for value in network.state_dict().values()]
        return self.folder / f"{digest([self.data, repr(network), *state, *facts])}.pt"

    def load(self, path: Path | None, network: nn.Module) -> int | None:
        """Load the weights in a file into `network`, and return its number of epochs; None without such a file."""
        if path is None or not path.is_file():
            return None
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            network.load_state_dict(content["weights"])
            epochs = int(content["epochs"])
        except Exception:  # a broken file is ignored: the network is trained again, and the file replaced
            return None
        network.eval()
        return epochs

    def save(self, path: Path | None, network: nn.Module, epochs: int) -> None:
        """Write a network's weights to a file that appears whole or not at all."""
        if path is None:
            return
        with whole_file(path) as temporary, temporary.open("wb") as file:
            torch.save({"weights": network.state_dict(), "epochs": epochs}, file)


@contextmanager
def open_checkpoints(folder: str | Path | None, facts: Sequence[object]) -> Iterator[Checkpoints]:
    """Open and lock a folder for the networks of one training.

    Parameters
    ----------
    folder
        Where to keep them; None to keep none.
    facts
        Everything that all networks have in common: data and settings. Hashed only if there is a folder.
    """
    if folder is None:
        yield Checkpoints(None, "")
        return
    with locked(Path(folder)):
        yield Checkpoints(Path(folder), digest(facts))


def digest(facts: Sequence[object]) -> str:
    """Return a hash of arrays, matrices and objects whose ``repr`` determines them."""
    result = hashlib.sha256()
    for fact in facts:
        for part in bytes_of(fact):
            result.update(part)
            result.update(b"\0")
    return result.hexdigest()[:32]


def bytes_of(fact: object) -> list[bytes]:
    """Return the bytes of a fact."""
    if sparse.issparse(fact):
        return [part for array in (fact.data, fact.indices, fact.indptr) for part in bytes_of(array)]
    if isinstance(fact, np.ndarray) and fact.dtype != object:
        return [f"{fact.dtype}{fact.shape}".encode(), np.ascontiguousarray(fact).tobytes()]
    return [repr(fact).encode()]
