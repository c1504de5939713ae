"""Scores of models of genomic tracks, also as the declaration of a network names them."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..domain.explanation.track_scores import counts as counts
from ..domain.explanation.track_scores import profile as profile
from ..domain.explanation.track_scores import track as track


def declared_score(declared: str | Mapping[str, Any]) -> str | Callable[[Any], Tensor]:
    """Return the score that a declaration names: ``counts``, ``profile``, a ``track`` with its settings, or a name."""
    if isinstance(declared, Mapping):
        bins = declared.get("bins")
        return track(declared.get("head"), declared["track"], None if bins is None else slice(*bins))
    functions = {"counts": counts, "profile": profile}
    return functions[declared]() if declared in functions else declared
