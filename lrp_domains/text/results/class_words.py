"""A corpus in one table: the words with the most relevance for each class."""

import pandas as pd

from ..errors import TextError

NEEDED = ("text", "part", "word", "start", "end", "kind", "relevance", "target")
COLUMNS = ["class", "rank", "word", "relevance", "mean", "occurrences", "texts", "examples"]
# The parts that are in the columns of a table of texts; others have no examples.
_COLUMN = dict.fromkeys(("text", "first", "question", "source", "prompt"), "first")
_COLUMN |= dict.fromkeys(("second", "context", "target", "continuation", "choice 0"), "second")


def class_words(
    words: pd.DataFrame,
    texts: pd.DataFrame | None = None,
    *,
    top: int = 20,
    prior: float = 5.0,
    fewest: int = 2,
    examples: int = 3,
) -> pd.DataFrame:
    """Rank the words of each class (each explained target) by their relevance over a corpus.

    A mean over few occurrences is unreliable, so words are ranked by ``sum of relevance / (occurrences + prior)``: the
    mean if each word had also occurred ``prior`` times without any relevance.

    Parameters
    ----------
    words
        The table ``"words"`` of a corpus, or of several, one below the other. Case is ignored. Hypotheses of zero-shot
        classification are left out.
    texts
        The table ``"texts"`` of the same texts, for examples in context.
    top
        Number of words per class.
    prior
        See above.
    fewest
        The number of texts of a class that a word must occur in.
    examples
        Number of examples per word, the strongest first.

    Returns
    -------
    One row per word: ``class``, ``rank`` (from 1), ``word``, ``relevance`` (by which it is ranked), ``mean``,
    ``occurrences``, ``texts``, and ``examples`` (a tuple of excerpts with the word in «»).
    """
    absent = [name for name in NEEDED if name not in words]
    if absent:
        raise TextError(f"the table of words has no column '{absent[0]}': pass what to_frame('words') returns")
    if top < 1 or fewest < 1 or prior < 0 or examples < 0:
        raise TextError(
            f"top={top}, fewest={fewest}, prior={prior}, examples={examples}: top and fewest must be 1 or more, prior "
            "and examples 0 or more"
        )

    # A hypothesis has the words of its template, and the candidate's name, in every text.
    words = words[(words["kind"] == "word") & ~words["part"].str.startswith("hypothesis ")]
    words = words.assign(word=words["word"].str.casefold())
    groups = words.groupby(["target", "word"], sort=False)
    table = groups["relevance"].agg(total="sum", mean="mean", occurrences="size")
    table["texts"] = groups["text"].nunique()
    table["relevance"] = table["total"] / (table["occurrences"] + prior)

    table = table[table["texts"] >= fewest].reset_index()
    table = table.sort_values(["target", "relevance", "word"], ascending=[True, False, True], kind="stable")
    table = table.groupby("target", sort=False).head(top).rename(columns={"target": "class"})
    table["rank"] = table.groupby("class", sort=False).cumcount() + 1
    table["examples"] = _examples(table, words, texts=texts, count=examples)
    return table[COLUMNS].reset_index(drop=True)


def _examples(table: pd.DataFrame, words: pd.DataFrame, *, texts: pd.DataFrame | None, count: int) -> list[tuple]:
    """Return, per row of the table, the places where the word has the most relevance, each in another text."""
    if texts is None or not count:
        return [()] * len(table)

    ranked = pd.MultiIndex.from_frame(table[["class", "word"]])
    places = words[pd.MultiIndex.from_frame(words[["target", "word"]]).isin(ranked)]
    places = places.sort_values("relevance", ascending=False, kind="stable")
    places = places.drop_duplicates(["target", "word", "text"]).groupby(["target", "word"], sort=False).head(count)

    by_number = texts.set_index("text")[["first", "second"]]
    excerpts: dict[tuple, list[str]] = {}
    for row in places.itertuples():
        text = by_number.at[row.text, _COLUMN[row.part]] if row.part in _COLUMN else ""
        if row.end > len(text):
            continue  # a file has no column of what the model continues with
        excerpts.setdefault((row.target, row.word), []).append(in_context(text, row.start, row.end))
    return [tuple(excerpts.get(key, ())) for key in zip(table["class"], table["word"], strict=True)]


def in_context(text: str, start: int, end: int, *, width: int = 40) -> str:
    """Return a word in «» with the text around it, on one line."""
    before, after = text[max(0, start - width) : start], text[end : end + width]
    cut_before = "…" if start > width else ""
    cut_after = "…" if end + width < len(text) else ""
    return " ".join(f"{cut_before}{before}«{text[start:end]}»{after}{cut_after}".split())
