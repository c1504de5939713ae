"""Which texts of a corpus to show, and how they come back from its tables."""

from collections.abc import Iterable

import pandas as pd

from ..results.relevance import TextLedger, TextRelevance, Word


def chosen(texts: pd.DataFrame, number: int) -> dict[str, list[int]]:
    """Give the numbers of texts to show, by what they are examples of.

    Most confident are the surest of each prediction in turn, right ones where labels are known; most wrong those that
    the model was sure of against their label; closest calls those it was least sure of.
    """
    if texts["probability"].isna().all():  # a regression is sure of nothing
        ordered = texts.sort_values("score", kind="stable")["text"]
        return {"Highest": [*ordered[::-1][:number]], "Lowest": [*ordered[:number]]}
    ordered = texts.sort_values("probability", ascending=False, kind="stable")
    labelled = texts["label"].notna().any()
    wrong = ordered[ordered["label"].notna() & (ordered["label"] != ordered["prediction"])]
    right = ordered.drop(wrong.index)
    turn = right.groupby("prediction").cumcount().sort_values(kind="stable").index  # the first of each, the second, ...
    found = {"Most confident": [*right.loc[turn[:number], "text"]]}
    if labelled:
        found["Most wrong"] = [*wrong["text"][:number]]
    return found | {"Closest calls": [*ordered["text"][::-1][:number]]}


def items(numbers: Iterable[int], texts: pd.DataFrame, words: pd.DataFrame) -> list[TextRelevance]:
    """Read some texts back from their tables; the tokens are not kept there."""
    texts = texts.set_index("text")
    own = dict(tuple(words[words["text"].isin(list(numbers))].groupby("text")))
    return [_item(texts.loc[number], own.get(number, words.iloc[:0])) for number in numbers]


def _item(row: pd.Series, words: pd.DataFrame) -> TextRelevance:
    fields = [words[name] for name in ("word", "start", "end", "relevance", "kind", "part")]
    listed = tuple(Word(*one) for one in zip(*fields, strict=True))
    several = bool(row["second"])
    parts = tuple(dict.fromkeys(word.part for word in listed)) if several else ("text",)
    if several and len(parts) < 2:
        parts = ("first", "second")
    elif not several and listed:
        parts = (listed[0].part,)
    label = row["label"]
    wrong = (f"labelled {label}",) if isinstance(label, str) and label != row["prediction"] else ()
    return TextRelevance(
        texts=(row["first"], row["second"]) if several else (row["first"],),
        parts=parts,
        tokens=(),
        words=listed,
        target=row["target"],
        prediction=row["prediction"],
        probability=None if pd.isna(row["probability"]) else row["probability"],
        score=row["score"],
        ledger=TextLedger(row["score"], row["words"], row["added"], row["spread"], row["rest"]),
        rules=row["rules"],
        notes=(*wrong, *([row["notes"]] if row["notes"] else [])),
    )
