"""What one method of explanation reached in a comparison, which is kept until all are compared."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..domain import whole_file
from .memory import with_peak_memory
from .removal import CURVES, Removal

if TYPE_CHECKING:
    from .measures import Measures, Relevance

TABLES = ("values", "curves")
NO_CURVES = pd.DataFrame(columns=list(CURVES), index=pd.Index([], name="fraction"), dtype=float)


@dataclass(frozen=True)
class Accounted:
    """The relevance of samples, and how much of their scores it leaves unaccounted for.

    Attributes
    ----------
    relevance
        Of each sample's units.
    residue
        The share of the scores that neither units nor biases account for, though the method conserves relevance.
    """

    relevance: Relevance
    residue: float

    @classmethod
    def of(cls, relevance: Relevance, residue: float, amounts: Iterable[float]) -> Accounted:
        """Return relevance with a residue, as a share of the largest of the amounts that should sum to 0 with it."""
        largest = max(map(abs, amounts))
        return cls(relevance, abs(residue) / largest if largest else 0.0)


@dataclass(frozen=True)
class Measured:
    """What a method reached.

    Attributes
    ----------
    values
        One row per sample, one column per measure.
    curves
        As from `Removal.means`.
    costs
        CPU ``seconds``, ``memory`` in MiB, and ``residue``, NaN where it isn't known.
    units
        The number of units of each sample.
    """

    values: pd.DataFrame
    curves: pd.DataFrame
    costs: dict[str, float]
    units: list[int]

    @classmethod
    def of(cls, explain: Callable[[], Relevance | Accounted], measures: Sequence[Measures]) -> Measured:
        """Run a method, and measure what it returns."""

        def timed() -> tuple[Relevance | Accounted, float]:
            begin = time.process_time()
            explained = explain()
            return explained, time.process_time() - begin

        (explained, seconds), memory = with_peak_memory(timed)
        if not isinstance(explained, Accounted):
            explained = Accounted(explained, np.nan)
        relevance = [np.asarray(amounts, float) for amounts in explained.relevance]
        found = {key: value for measure in measures for key, value in measure(relevance).items()}
        values = {name: value for name, value in found.items() if not isinstance(value, Removal)}
        curves = [value.means() for value in found.values() if isinstance(value, Removal)]
        return cls(
            pd.DataFrame(values, index=pd.RangeIndex(len(relevance), name="sample")),
            curves=curves[0] if curves else NO_CURVES,
            costs={"seconds": seconds, "memory": memory, "residue": explained.residue},
            units=[len(amounts) for amounts in relevance],
        )

    @classmethod
    def read(cls, path: Path, method: str) -> Measured | None:
        """Read what `write` wrote; None if it has written nothing, not all, or another method."""
        if not path.with_suffix(".json").exists():
            return None
        facts = json.loads(path.with_suffix(".json").read_text())
        if facts.pop("method", None) != method:
            return None
        tables = {name: pd.read_parquet(path.with_suffix(f".{name}.parquet")) for name in TABLES}
        return cls(**tables, **facts)

    def write(self, path: Path, method: str) -> None:
        """Write files whose names begin with a path; what `read` looks for is the last."""
        for name in TABLES:
            with whole_file(path.with_suffix(f".{name}.parquet")) as temporary:
                getattr(self, name).to_parquet(temporary)
        with whole_file(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps({"method": method, "costs": self.costs, "units": self.units}))
