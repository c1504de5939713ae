"""The texts that a report shows, read back from the tables of their corpus."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..corpora.tables import read_rows
from ..results.relevance import Reference, TextLedger, TextRelevance, Word


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
