"""Which texts of a corpus a report shows, and how they are read back from its tables."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..corpora.tables import read_rows
from ..results.relevance import Reference, TextLedger, TextRelevance, Word


def choose_examples(texts: pd.DataFrame, count: int) -> dict[str, list[int]]:
    """Return the numbers of texts to show, by kind of example.

    The most confident are those of highest probability, each prediction in turn, and with the right label if labels
    are known; the most wrong are those of highest probability with another label; the closest calls those of lowest
    probability. A regression has no probabilities: its highest and lowest values are shown.
    """
    if texts["probability"].isna().all():
        ordered = texts.sort_values("score", kind="stable")["text"]
        return {"Highest": [*ordered[::-1][:count]], "Lowest": [*ordered[:count]]}

    ordered = texts.sort_values("probability", ascending=False, kind="stable")
    wrong = ordered[ordered["label"].notna() & (ordered["label"] != ordered["prediction"])]
    right = ordered.drop(wrong.index)
    in_turn = (
        right.groupby("prediction").cumcount().sort_values(kind="stable").index
    )  # the top of each, the second, ...
    examples = {"Most confident": [*right.loc[in_turn[:count], "text"]]}
    if texts["label"].notna().any():
        examples["Most wrong"] = [*wrong["text"][:count]]
    return examples | {"Closest calls": [*ordered["text"][::-1][:count]]}


def read_examples(numbers: Sequence[int], words: Path, texts: Path) -> list[TextRelevance]:
    """Read some texts from their tables, which don't contain the tokens."""
    rows, of_words = read_rows(texts, "texts", numbers).set_index("text"), read_rows(words, "words", numbers)
    by_text = dict(tuple(of_words.groupby("text")))
    return [_example(rows.loc[number], by_text.get(number, of_words.iloc[:0])) for number in numbers]


def _example(row: pd.Series, words: pd.DataFrame) -> TextRelevance:
    reference = ("reference",) if "reference" in words else ()
    columns = [words[name] for name in ("word", "start", "end", "relevance", "kind", "part", *reference)]
    words_of_text = tuple(Word(*fields) for fields in zip(*columns, strict=True))

    texts = (row["first"], row["second"]) if row["second"] else (row["first"],)
    label = row["label"]
    wrong = (f"labelled {label}",) if isinstance(label, str) and label != row["prediction"] else ()
    return TextRelevance(
        texts=texts,
        parts=_parts(texts, words_of_text),
        tokens=(),
        words=words_of_text,
        target=row["target"],
        prediction=row["prediction"],
        probability=None if pd.isna(row["probability"]) else row["probability"],
        score=row["score"],
        ledger=TextLedger(**{name: row[name] for name in ("score", "words", "added", "rest")}),
        rules=row["rules"],
        notes=(*wrong, *([row["notes"]] if row["notes"] else [])),
        reference=Reference(row["reference"], row["reference_score"]) if "reference" in row else None,
    )


def _parts(texts: tuple[str, ...], words: tuple[Word, ...]) -> tuple[str, ...]:
    """Return the names of texts, which only their words have in the tables."""
    names = tuple(dict.fromkeys(word.part for word in words))
    if len(texts) == 1:
        return names[:1] or ("text",)
    return names if len(names) == 2 else ("first", "second")
