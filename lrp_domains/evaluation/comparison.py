"""Methods of explanation side by side: the same samples, the same measures, paired differences, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..domain import DomainError, Progress, no_progress, whole_file
from .areas import abpc, comprehensiveness, deletion, insertion, pruning_error, sufficiency
from .complexity import entropy, gini
from .intervals import mean_interval, paired_difference
from .removal import FRACTIONS, Predict, remove
from .truth import auprc, auroc, mass_accuracy, precision_at

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Relevance = Sequence[np.ndarray]
"""Of each sample's units."""
Measures = Callable[[Relevance], Mapping[str, np.ndarray]]
"""From the relevance of S samples to measures by name, S numbers each."""

LOWER_IS_BETTER = ("deletion", "sufficiency", "AU-MSE", "entropy")
"""The measures of which a lower value is better, also where something like ``@100`` follows; of all others a higher one
is."""


def lower_is_better(measure: str) -> bool:
    """Return whether a lower value of a measure is better."""
    return measure.partition("@")[0] in LOWER_IS_BETTER


def faithfulness(
    predict: Predict,
    *,
    through: Callable[[np.ndarray], np.ndarray] = np.asarray,
    fractions: Sequence[float] = FRACTIONS,
    first: Mapping[str, float] = MappingProxyType({}),
    seed: int = 0,
    progress: Progress = no_progress,
) -> Measures:
    """Return the measures of faithfulness.

    Parameters
    ----------
    predict, fractions, seed, progress
        As in `remove`.
    through
        What is measured of the score, such as ``scipy.special.expit`` for the probability of log-odds; the pruning
        error is that of the score itself.
    first
        Fractions of units within which areas are measured too, where few units matter; by what is added to the names
        of these measures, such as ``"@100"``.
    """

    def measures(relevance: Relevance) -> dict[str, np.ndarray]:
        settings = {"fractions": fractions, "seed": seed, "progress": progress}
        removal = remove(predict, relevance, **settings)
        pruned = remove(predict, [np.abs(amounts) for amounts in relevance], curves=["without_least"], **settings)
        seen = removal.through(through)
        return {
            "ABPC": abpc(seen),
            "comprehensiveness": comprehensiveness(seen),
            "sufficiency": sufficiency(seen),
            "deletion": deletion(seen),
            "AUAC": insertion(seen),
            "AU-MSE": pruning_error(pruned),
            **{
                f"{name}{suffix}": area(seen.up_to(fraction))
                for suffix, fraction in first.items()
                for name, area in (("ABPC", abpc), ("deletion", deletion), ("AUAC", insertion))
            },
        }

    return measures


def plausibility(truth: Sequence[np.ndarray]) -> Measures:
    """Return the measures of agreement with a truth: of each sample, which of its units are true."""

    def measures(relevance: Relevance) -> dict[str, np.ndarray]:
        functions = {"AUPRC": auprc, "AUROC": auroc, "mass accuracy": mass_accuracy}
        pairs = list(zip(relevance, truth, strict=True))
        values = {name: np.array([function(*pair) for pair in pairs]) for name, function in functions.items()}
        return {"p@1": np.array([precision_at(*pair, 1) for pair in pairs])} | values

    return measures


def simplicity(relevance: Relevance) -> dict[str, np.ndarray]:
    """Compute the measures of complexity."""
    return {
        "Gini": np.array([gini(amounts) for amounts in relevance]),
        "entropy": np.array([entropy(amounts) for amounts in relevance]),
    }


@dataclass(frozen=True)
class Comparison:
    """Methods compared on the same samples.

    Attributes
    ----------
    values
        One row per method and sample, one column per measure, indexed by ``method`` and ``sample``.
    costs
        One row per method: CPU ``seconds``, and ``gradients``, the same divided by those of the method that is one.
    """

    values: pd.DataFrame = field(repr=False)
    costs: pd.DataFrame

    @property
    def methods(self) -> list[str]:
        return list(self.costs.index)

    def table(self, against: str | None = None, *, level: float = 0.95) -> pd.DataFrame:
        """Return one row per method and measure.

        Parameters
        ----------
        against
            The method whose values the others' are compared with, sample by sample; None: the best of each measure.
        level
            Of the intervals.

        Returns
        -------
        Columns ``method``, ``measure``, ``mean``, ``low``, ``high``, ``samples``; ``against`` and ``difference``,
        ``difference_low``, ``difference_high``, paired; ``best``, whether the method is best or within the paired
        interval of the best; ``seconds`` and ``gradients``.
        """
        if against is not None and against not in self.methods:
            raise DomainError(f"'{against}' is not one of the methods: {', '.join(self.methods)}")
        rows = []
        for measure in self.values.columns:
            of = {method: self.values.loc[method, measure].to_numpy() for method in self.methods}
            sign = -1 if lower_is_better(measure) else 1
            defined = {method: np.nanmean(v) for method, v in of.items() if not np.isnan(v).all()}
            best = max(defined, key=lambda method: sign * defined[method], default=None)
            for method, values in of.items():
                mean = mean_interval(values, level=level)
                other = against or best
                row = {"method": method, "measure": measure, **_named(mean, ""), "samples": mean.n, "against": other}
                if best is not None:
                    row |= _named(paired_difference(values, of[other], level=level), "difference")
                    to_best = paired_difference(values, of[best], level=level)
                    row["best"] = method == best or to_best.low <= 0 <= to_best.high
                rows.append(row | self.costs.loc[method].to_dict())
        return pd.DataFrame(rows)

    def warnings(self, random: str = "random") -> list[str]:
        """Return what speaks against trusting the methods: those whose order is no better than a random one."""
        if random not in self.methods or "ABPC" not in self.values:
            return []
        table = self.table(random)
        rows = table[(table["measure"] == "ABPC") & (table["method"] != random)]
        poor = rows[~(rows["difference_low"] > 0)]["method"].tolist()
        if not poor:
            return []
        return [f"no better than a random order, in ABPC: {', '.join(poor)}"]

    def figure(self, measure: str = "ABPC") -> Figure:
        """Return a figure of a measure against the cost in gradients."""
        from .figures import cost_figure

        return cost_figure(self.table(), measure)


def compare(
    methods: Mapping[str, Callable[[], Relevance]],
    measures: Sequence[Measures],
    *,
    unit: str | None = None,
    folder: Path | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Compare methods on the same samples.

    Parameters
    ----------
    methods
        By name what returns the relevance of each sample's units.
    measures
        Such as `faithfulness`, `plausibility` and `simplicity`.
    unit
        The method that costs one gradient, in whose CPU seconds the costs of the others are counted; None: they aren't.
    folder
        Where what a method reached is kept, so that an interrupted comparison resumes; see
        `lrp_domains.domain.resumable`.
    progress
        Wraps the iteration over methods.

    Raises
    ------
    DomainError
        Methods differ in their samples or units.
    """
    if unit is not None and unit not in methods:
        raise DomainError(f"'{unit}' is not one of the methods: {', '.join(methods)}")
    tables: dict[str, pd.DataFrame] = {}
    for number, name in enumerate(progress(list(methods), "Comparing methods")):
        kept = None if folder is None else folder / f"method-{number}.parquet"
        if kept is not None and kept.exists():
            tables[name] = pd.read_parquet(kept)
            continue
        tables[name] = _measured(methods[name], measures)
        if not tables[name]["units"].equals(next(iter(tables.values()))["units"]):
            raise DomainError(f"'{name}' explains other samples or units than '{next(iter(tables))}'")
        if kept is not None:
            with whole_file(kept) as temporary:
                tables[name].to_parquet(temporary)

    costs = pd.DataFrame({"seconds": {name: table["seconds"].sum() for name, table in tables.items()}})
    costs["gradients"] = np.nan if unit is None else costs["seconds"] / costs.loc[unit, "seconds"]
    values = pd.concat(tables, names=["method"]).drop(columns=["units", "seconds"])
    return Comparison(values, costs.rename_axis("method"))


def _measured(explain: Callable[[], Relevance], measures: Sequence[Measures]) -> pd.DataFrame:
    """Return the measures of a method per sample, with its number of units and its share of the CPU seconds."""
    begin = time.process_time()
    relevance = [np.asarray(amounts, float) for amounts in explain()]
    seconds = time.process_time() - begin
    columns = {key: value for measure in measures for key, value in measure(relevance).items()}
    units = [len(amounts) for amounts in relevance]
    return pd.DataFrame({"units": units, "seconds": seconds / len(units)} | columns).rename_axis("sample")


def _named(interval, name: str) -> dict[str, float]:
    prefix = f"{name}_" if name else ""
    return {name or "mean": interval.mean, f"{prefix}low": interval.low, f"{prefix}high": interval.high}
