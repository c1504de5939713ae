"""A corpus in one table: the words with the most relevance for each class."""

from collections.abc import Callable, Collection, Iterable, Iterator

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
    options = {"top": top, "prior": prior, "fewest": fewest, "examples": examples}
    return ranked_words(lambda: [words], None if texts is None else lambda numbers: texts, **options)


def ranked_words(
    words: Callable[[], Iterable[pd.DataFrame]],
    texts: Callable[[Collection[int]], pd.DataFrame] | None = None,
    *,
    top: int = 20,
    prior: float = 5.0,
    fewest: int = 2,
    examples: int = 3,
) -> pd.DataFrame:
    """Rank the words of each class, as `class_words` does, of a table that is read chunk by chunk.

    Parameters
    ----------
    words
        Returns the chunks of the table of words; called twice.
    texts
        From numbers of texts to a table of texts that has these.
    top, prior, fewest, examples
        As in `class_words`.
    """
    if top < 1 or fewest < 1 or prior < 0 or examples < 0:
        raise TextError(
            f"top={top}, fewest={fewest}, prior={prior}, examples={examples}: top and fewest must be 1 or more, prior "
            "and examples 0 or more"
        )
    table = _sums(_whole_texts(words()))
    table["mean"] = table["total"] / table["occurrences"]
    table["relevance"] = table["total"] / (table["occurrences"] + prior)

    table = table[table["texts"] >= fewest].reset_index()
    table = table.sort_values(["target", "relevance", "word"], ascending=[True, False, True], kind="stable")
    table = table.groupby("target", sort=False).head(top).rename(columns={"target": "class"})
    table["rank"] = table.groupby("class", sort=False).cumcount() + 1
    if texts is None or not examples:
        table["examples"] = [()] * len(table)
    else:
        table["examples"] = _examples(table, words(), texts=texts, count=examples)
    return table[COLUMNS].reset_index(drop=True)


def _sums(chunks: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return, by target and word, the total relevance, the number of occurrences, and that of texts."""
    sums = pd.DataFrame(columns=["total", "occurrences", "texts"], dtype=float)
    sums.index = pd.MultiIndex.from_arrays([[], []], names=["target", "word"])
    for chunk in chunks:
        groups = _ranked(chunk).groupby(["target", "word"], sort=False)
        of_chunk = groups["relevance"].agg(total="sum", occurrences="size")
        of_chunk["texts"] = groups["text"].nunique()
        sums = sums.add(of_chunk, fill_value=0) if len(sums) else of_chunk
    return sums.astype({"occurrences": int, "texts": int})


def _whole_texts(chunks: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield chunks in which the words of each text are together."""
    rest = None
    for chunk in chunks:
        chunk = chunk if rest is None else pd.concat([rest, chunk])
        is_last = chunk["text"] == (chunk["text"].iloc[-1] if len(chunk) else None)
        rest = chunk[is_last]
        yield chunk[~is_last]
    if rest is not None:
        yield rest


def _ranked(words: pd.DataFrame) -> pd.DataFrame:
    """Return the words that are ranked, in lower case."""
    # A hypothesis has the words of its template, and the candidate's name, in every text.
    words = words[(words["kind"] == "word") & ~words["part"].str.startswith("hypothesis ")]
    return words.assign(word=words["word"].str.casefold())


def _examples(
    table: pd.DataFrame,
    chunks: Iterable[pd.DataFrame],
    *,
    texts: Callable[[Collection[int]], pd.DataFrame],
    count: int,
) -> list[tuple]:
    """Return, per row of the table, the places where the word has the most relevance, each in another text."""
    ranked = pd.MultiIndex.from_frame(table[["class", "word"]])
    places = None
    for chunk in chunks:
        words = _ranked(chunk)
        words = words[pd.MultiIndex.from_frame(words[["target", "word"]]).isin(ranked)]
        places = words if places is None else pd.concat([places, words])
        places = places.sort_values("relevance", ascending=False, kind="stable")
        places = places.drop_duplicates(["target", "word", "text"]).groupby(["target", "word"], sort=False).head(count)
    if places is None or places.empty:
        return [()] * len(table)

    by_number = texts(set(places["text"])).set_index("text")[["first", "second"]]
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
