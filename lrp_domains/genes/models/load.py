"""Models from files."""

from pathlib import Path

from .files import load_trained
from .model import GeneModel


def load_model(path: str | Path, *, allow_pickle: bool = False) -> GeneModel:
    """Load a model."""
    return load_trained(path)
