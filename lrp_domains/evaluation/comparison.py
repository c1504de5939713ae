"""Methods of explanation side by side: the same samples, the same measures, paired differences, and what each costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..domain import DomainError, Progress, no_progress
from .intervals import mean_interval, paired_difference
from .measured import TABLES, Accounted, Measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .measures import Measures, Relevance

LOWER_IS_BETTER = ("deletion", "sufficiency", "AU-MSE", "entropy")
"""The measures of which a lower value is better, also where something like ``@100`` follows; of all others a higher one
is."""
COSTS = ("seconds", "gradients", "memory", "residue")  # the columns of a comparison's costs
TOLERANCE = 0.01  # of the residue: half precision rounds less


def lower_is_better(measure: str) -> bool:
    """Return whether a lower value of a measure is better."""
    return measure.partition("@")[0] in LOWER_IS_BETTER


@dataclass(frozen=True)
class Comparison:
    """Methods compared on the same samples.

    Attributes
    ----------
    values
        One row per method and sample, one column per measure, indexed by ``method`` and ``sample``.
    costs
        One row per method: CPU ``seconds``; ``gradients``, the same divided by those of the method that is one; and
        ``memory``, the peak of what explaining took, in MiB (see `lrp_domains.evaluation.memory`). Besides, the
        ``residue`` that a method left, as in `Accounted`; NaN where it isn't known.
    curves
        The mean curves of each method, as from `Removal.means`, indexed by ``method`` and ``fraction``; without rows if
        faithfulness wasn't measured.
    cautions
        What else speaks against trusting the methods, such as a model near chance, sentence by sentence.
    """

    values: pd.DataFrame = field(repr=False)
    costs: pd.DataFrame
    curves: pd.DataFrame = field(repr=False)
    cautions: tuple[str, ...] = ()

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
        interval of the best; and the columns of ``costs``.
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
        """Return what speaks against trusting the methods, sentence by sentence.

        These are the cautions; the methods whose order is no better than a random one, in ABPC; and those that should
        conserve relevance and leave more than 1 % of the scores unaccounted for.
        """
        warnings = list(self.cautions)
        if poor := self._no_better_than(random):
            warnings.append(f"No better than a random order, in ABPC: {', '.join(poor)}.")
        if "residue" in self.costs:
            residues = self.costs["residue"]
            lost = [f"{method} ({share:.0%})" for method, share in residues[residues > TOLERANCE].items()]
            if lost:
                warnings.append(f"Not conserved (share of the scores unaccounted for): {', '.join(lost)}.")
        return warnings

    def _no_better_than(self, random: str) -> list[str]:
        """Return the methods whose order isn't better than that of another."""
        if random not in self.methods or "ABPC" not in self.values:
            return []
        table = self.table(random)
        rows = table[(table["measure"] == "ABPC") & (table["method"] != random)]
        return rows[~(rows["difference_low"] > 0)]["method"].tolist()

    def figure(self, measure: str = "ABPC") -> Figure:
        """Return a figure of a measure against the cost in gradients."""
        from .figures import cost_figure

        if measure not in self.values:
            raise DomainError(f"'{measure}' is not one of the measures: {', '.join(self.values)}")
        return cost_figure(self.table(), measure)

    def removal_figure(self) -> Figure:
        """Return a figure of the mean curves without the most and without the least relevant units."""
        from .figures import removal_figure

        return removal_figure(self.curves)


def compare(
    methods: Mapping[str, Callable[[], Relevance | Accounted]],
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
        By name what returns the relevance of each sample's units, alone or `Accounted` for.
    measures
        Such as `faithfulness`, `plausibility` and `simplicity`.
    unit
        The method that costs one gradient, in whose CPU seconds the costs of the others are counted; None: they aren't.
    folder
        Where what a method reached is kept, so that an interrupted comparison resumes. Methods are told apart by their
        names alone: keep comparisons of other samples or measures in other folders, see `lrp_domains.domain.resumable`.
    progress
        Wraps the iteration over methods.

    Raises
    ------
    DomainError
        Methods differ in their samples or units.
    """
    if not methods:
        raise DomainError("there are no methods to compare")
    if unit is not None and unit not in methods:
        raise DomainError(f"'{unit}' is not one of the methods: {', '.join(methods)}")
    results: dict[str, Measured] = {}
    for number, name in enumerate(progress(list(methods), "Comparing methods")):
        kept = None if folder is None else folder / f"method-{number}"
        if kept is not None and (known := Measured.read(kept, name)) is not None:
            results[name] = known
            continue
        results[name] = Measured.of(methods[name], measures)
        if results[name].units != next(iter(results.values())).units:
            raise DomainError(f"'{name}' explains other samples or units than '{next(iter(results))}'")
        if kept is not None:
            results[name].write(kept, name)

    costs = pd.DataFrame({name: result.costs for name, result in results.items()}).T.rename_axis("method")
    costs.insert(1, "gradients", np.nan if unit is None else costs["seconds"] / costs.loc[unit, "seconds"])
    values, curves = (
        pd.concat({name: getattr(result, of) for name, result in results.items()}, names=["method"]) for of in TABLES
    )
    return Comparison(values, costs, curves)


def _named(interval, name: str) -> dict[str, float]:
    prefix = f"{name}_" if name else ""
    return {name or "mean": interval.mean, f"{prefix}low": interval.low, f"{prefix}high": interval.high}
