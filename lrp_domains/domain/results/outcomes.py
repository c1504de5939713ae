"""The outcome of an explanation: what was predicted and explained of a sample, and where its score went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ..explanation.samples import Explained
from ..files.tables import open_table
from ..messages import DomainError
from .chance import near_chance

COLUMNS = pa.schema(
    {"sample": pa.int64(), "name": pa.string(), "label": pa.string(), "prediction": pa.string()}
    | dict.fromkeys(("probability",), pa.float64())
    | {"target": pa.string(), "against": pa.string()}
    | dict.fromkeys(("score", "reference_score", "units", "rest"), pa.float64())
    | {"rules": pa.string(), "notes": pa.string()}
)
"""The columns of a table of outcomes."""


@dataclass(frozen=True)
class Outcome:
    """What was predicted and explained of a sample: ``score - reference_score = units + rest``.

    Attributes
    ----------
    name
        Of the sample, such as its file.
    label
        Its label, if known.
    prediction, target
        The names of the predicted and of the explained class; None if the score is not that of a class.
    against
        The name of the class that the target is contrasted with; None without a contrast.
    probability
        Of the prediction.
    score
        The score that was explained.
    reference_score
        The mean score of the references; None without any.
    units
        The relevance of all units: pixels, bases, residues.
    rules
        The name of the rule set.
    notes
        Remarks, such as what of the sample was changed before the model read it.
    """

    name: str
    score: float
    units: float
    label: str | None = None
    prediction: str | None = None
    probability: float | None = None
    target: str | None = None
    against: str | None = None
    reference_score: float | None = None
    rules: str = ""
    notes: tuple[str, ...] = ()

    @property
    def explained(self) -> str:
        """What was explained, in words: the target, and what it is contrasted with; else the score."""
        if self.target is None:
            return "the score"
        return self.target if self.against is None else f"{self.target} against {self.against}"

    @property
    def rest(self) -> float:
        """What units don't account for: biases, other inputs, and what rules absorb."""
        return self.score - (self.reference_score or 0.0) - self.units


def outcomes_of(
    explained: Explained,
    units: Sequence[float],
    names: Sequence[str],
    classes: Sequence[str] | None,
    *,
    against: int | None = None,
    labels: Sequence[str | None] | None = None,
    rules: str = "",
    notes: Sequence[Sequence[str]] | None = None,
) -> list[Outcome]:
    """Return the outcomes of a batch.

    Parameters
    ----------
    explained
        From `explain_batch`.
    units
        The relevance of each sample's units, summed.
    names, labels, notes
        Of the samples.
    classes
        The names of classes; None: their numbers.
    against
        The number of the class that all targets are contrasted with.
    rules
        The name of the rule set.
    """

    def name_of(number: int | None) -> str | None:
        if number is None:
            return None
        return str(number) if classes is None else str(classes[number])

    def class_of(numbers, row: int) -> str | None:
        return None if numbers is None else name_of(numbers[row])

    def value_of(values, row: int) -> float | None:
        return None if values is None else float(values[row])

    return [
        Outcome(
            name=names[row],
            score=float(explained.score[row]),
            units=float(units[row]),
            label=labels[row] if labels is not None else None,
            prediction=class_of(explained.prediction, row),
            probability=value_of(explained.probability, row),
            target=class_of(explained.target, row),
            against=name_of(against),
            reference_score=value_of(explained.reference_score, row),
            rules=rules,
            notes=tuple(notes[row]) if notes is not None else (),
        )
        for row in range(len(names))
    ]


def outcome_table(outcomes: Iterable[Outcome], first: int = 0) -> pd.DataFrame:
    """Return one row per outcome, with its number from `first`; the columns are `COLUMNS`."""
    rows = [
        vars(outcome) | {"sample": first + number, "rest": outcome.rest, "notes": "; ".join(outcome.notes)}
        for number, outcome in enumerate(outcomes)
    ]
    return pa.Table.from_pylist(rows, schema=COLUMNS).to_pandas()


def read_outcomes(path: str | Path) -> pd.DataFrame:
    """Read the table of outcomes that `explain_parts` or `gather` wrote."""
    table = open_table(path)
    if absent := [name for name in COLUMNS.names if name not in table.schema_arrow.names]:
        raise DomainError(f"'{path}' is not a table of explained samples: it has no column '{absent[0]}'")
    return table.read().to_pandas()


def outcomes_by_number(table: pd.DataFrame) -> dict[int, Outcome]:
    """Return the outcomes that a table has a row of, by the numbers of the samples; see `read_outcomes`."""
    rows = table.astype(object).where(table.notna(), None).drop(columns="rest").to_dict("records")
    return {
        row.pop("sample"): Outcome(**row | {"notes": tuple(filter(None, row["notes"].split("; ")))}) for row in rows
    }


def by_explained(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each explained class or contrast, after what it is in words; see `Outcome.explained`."""
    words = {number: outcome.explained for number, outcome in outcomes_by_number(table).items()}
    return list(table.groupby(table["sample"].map(words)))


def overview(outcomes: pd.DataFrame, what: str) -> list[tuple[str, str]]:
    """Return numbers for the top of a report, and what they are; `what` names the samples, in the plural."""
    rows = [(f"{len(outcomes):,}", what)]
    labelled = _labelled(outcomes)
    if len(labelled):
        rows.append((f"{(labelled['label'] == labelled['prediction']).mean():.1%}", "predicted as labelled"))
    if outcomes["probability"].notna().any():
        rows.append((f"{outcomes['probability'].median():.1%}", "median probability of the prediction"))
    return rows


def warnings_of(outcomes: pd.DataFrame, what: str) -> list[str]:
    """Return what speaks against trusting the explanations: a model near chance."""
    labelled = _labelled(outcomes)
    return [*near_chance(labelled["label"].tolist(), labelled["prediction"].tolist(), what)]


def confusion(outcomes: pd.DataFrame) -> pd.DataFrame | None:
    """Return how often each label was predicted as each class; None without labels."""
    labelled = _labelled(outcomes)
    return pd.crosstab(labelled["label"], labelled["prediction"]) if len(labelled) else None


def ledger_rows(outcomes: pd.DataFrame, units: Mapping[str, str]) -> list[tuple[str, float, float]]:
    """Return the parts of the score in words, their means over samples, and the means of their absolute values.

    `units` has the words for ``"units"`` and ``"rest"``.
    """
    explained = outcomes["score"] - outcomes["reference_score"].fillna(0.0)
    of_reference = outcomes["reference_score"].notna().any()
    name = "score: how far it is above that of the reference" if of_reference else "score: what was explained"
    parts = {name: explained, units["units"]: outcomes["units"], units["rest"]: outcomes["rest"]}
    return [(words, float(values.mean()), float(values.abs().mean())) for words, values in parts.items()]


def _labelled(outcomes: pd.DataFrame) -> pd.DataFrame:
    return outcomes[outcomes["label"].notna() & outcomes["prediction"].notna()]
