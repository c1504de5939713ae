"""A corpus in one table: the words that spoke most for each class."""

import pandas as pd

from ..errors import TextError

COLUMNS = ["class", "rank", "word", "relevance", "mean", "occurrences", "texts", "examples"]
# The parts of pairs that stand in the column `second` of a table of texts.
_SECOND = ("second", "context", "target", "continuation")


def class_words(
    words: pd.DataFrame,
    texts: pd.DataFrame | None = None,
    *,
    top: int = 20,
    prior: float = 5.0,
    fewest: int = 2,
    examples: int = 3,
) -> pd.DataFrame:
    """Rank the words of each class (each target that was explained) by their relevance over a corpus.

    A mean over few occurrences says little, so words are ranked by ``sum of relevance / (occurrences + prior)``: the
    mean if each word had also occurred ``prior`` times without any relevance.

    Parameters
    ----------
    words
        The frame ``"words"`` of a corpus, or of several, one below the other. Case is set aside.
    texts
        The frame ``"texts"`` of the same texts, for examples in context.
    top
        How many words for each class.
    prior
        See above.
    fewest
        The number of texts of a class that a word must occur in.
    examples
        How many examples of each word to show, the strongest first.

    Returns
    -------
    One row a word: ``class``, ``rank`` (from 1), ``word``, ``relevance`` (what it is ranked by), ``mean``,
    ``occurrences``, ``texts``, and ``examples`` (a tuple of pieces of text with the word in «»).
    """
    absent = [
        name for name in ("text", "part", "word", "start", "end", "kind", "relevance", "target") if name not in words
    ]
    if absent:
        raise TextError(f"the table of words has no column '{absent[0]}': pass what to_frame('words') gives")
    if top < 1 or fewest < 1 or prior < 0 or examples < 0:
        raise TextError(f"top={top}, fewest={fewest}, prior={prior}, examples={examples}: none may be that low")
    own = words[words["kind"] == "word"]
    own = own.assign(word=own["word"].str.casefold())
    groups = own.groupby(["target", "word"], sort=False)
    table = groups["relevance"].agg(total="sum", mean="mean", occurrences="size")
    table["texts"] = groups["text"].nunique()
    table["relevance"] = table["total"] / (table["occurrences"] + prior)
    table = table[table["texts"] >= fewest].reset_index()
    table = table.sort_values(["target", "relevance", "word"], ascending=[True, False, True], kind="stable")
    table = table.groupby("target", sort=False).head(top).rename(columns={"target": "class"})
    table["rank"] = table.groupby("class", sort=False).cumcount() + 1
    table["examples"] = _examples(table, own, texts, examples)
    return table[COLUMNS].reset_index(drop=True)


def _examples(table: pd.DataFrame, words: pd.DataFrame, texts: pd.DataFrame | None, number: int) -> list[tuple]:
    """For each row of the table the places where the word spoke loudest, each of another text."""
    if texts is None or not number:
        return [()] * len(table)
    chosen = pd.MultiIndex.from_frame(table[["class", "word"]])
    shown = words[pd.MultiIndex.from_frame(words[["target", "word"]]).isin(chosen)]
    shown = shown.sort_values("relevance", ascending=False, kind="stable").drop_duplicates(["target", "word", "text"])
    shown = shown.groupby(["target", "word"], sort=False).head(number)
    both = texts.set_index("text")[["first", "second"]]
    found: dict[tuple, list[str]] = {}
    for row in shown.itertuples():
        text = both.at[row.text, "second" if row.part in _SECOND else "first"]
        found.setdefault((row.target, row.word), []).append(in_context(text, row.start, row.end))
    return [tuple(found.get(key, ())) for key in zip(table["class"], table["word"], strict=True)]


def in_context(text: str, start: int, end: int, width: int = 40) -> str:
    """Give a word with what stands around it, on one line, itself in «»."""
    before, after = text[max(0, start - width) : start], text[end : end + width]
    cut_before = "…" if start > width else ""
    cut_after = "…" if end + width < len(text) else ""
    return " ".join(f"{cut_before}{before}«{text[start:end]}»{after}{cut_after}".split())
