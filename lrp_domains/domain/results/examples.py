"""Which explained samples a report shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def choose_examples(outcomes: pd.DataFrame, count: int, number: str = "sample") -> dict[str, list[int]]:
    """Return the numbers of the samples to show, by kind of example.

    The most confident are those of highest probability, each prediction in turn, and with the right label if labels
    are known; the most wrong are those of highest probability with another label; the closest calls those of lowest
    probability. Without probabilities, as for a regression, the highest and lowest scores are shown.

    Parameters
    ----------
    outcomes
        One row per sample, with ``probability``, ``prediction``, ``label`` and ``score``.
    count
        Of each kind, at most.
    number
        The column with the samples' numbers.
    """
    if outcomes["probability"].isna().all():
        ordered = outcomes.sort_values("score", kind="stable")[number]
        return {"Highest": [*ordered[::-1][:count]], "Lowest": [*ordered[:count]]}

    ordered = outcomes.sort_values("probability", ascending=False, kind="stable")
    wrong = ordered[ordered["label"].notna() & (ordered["label"] != ordered["prediction"])]
    right = ordered.drop(wrong.index)
    # The top of each prediction, then the second of each, ...
    in_turn = right.groupby("prediction").cumcount().sort_values(kind="stable").index
    examples = {"Most confident": [*right.loc[in_turn[:count], number]]}
    if outcomes["label"].notna().any():
        examples["Most wrong"] = [*wrong[number][:count]]
    return examples | {"Closest calls": [*ordered[number][::-1][:count]]}
