"""Explained texts as tables, one row per word, token or text."""

from collections.abc import Iterable

import pandas as pd

from ..errors import TextError, choices

COLUMNS = {
    "words": ["text", "part", "word", "start", "end", "kind", "relevance", "target", "prediction"],
    "tokens": ["text", "part", "side", "token", "piece", "start", "end", "relevance", "target", "prediction"],
    "texts": [
        *["text", "first", "second", "target", "prediction", "probability", "score", "words", "added", "rest"],
        "notes",
    ],
}
# Their columns about a reference, in tables of texts that were explained against one.
REFERENCE_COLUMNS = {"words": ["reference"], "tokens": [], "texts": ["reference", "reference_score"]}

# Their columns about messages, in tables of chats.
ROLE_COLUMNS = {"words": ["role"], "tokens": [], "texts": []}

LARGE_RESIDUE = "the residue is large"  # how the note of a text begins whose words and biases leave much of its score


def frame(items: Iterable, of: str = "words", first: int = 0) -> pd.DataFrame:
    """Return explained texts as one table.

    Parameters
    ----------
    items
        `TextRelevance` objects.
    of
        ``"words"``, ``"tokens"`` or ``"texts"``.
    first
        The number of the first text, for a corpus in shards.

    Returns
    -------
    A table whose column ``text`` is the number of the text, which joins the three kinds of tables; the texts
    themselves are in ``first`` and ``second`` of ``"texts"``. If there is a reference, the words have what it reads
    in their place (``reference``), and the texts what they were explained against and its score (``reference``,
    ``reference_score``). If there is a chat, the words have the ``role`` of their message. More than two texts of a
    result, such as choices, are joined in ``second`` by ``" | "``.
    """
    if of not in COLUMNS:
        raise TextError(f"of={of!r} is not a table; {choices(of, COLUMNS)}")
    items = list(items)
    columns = COLUMNS[of] + REFERENCE_COLUMNS[of]
    rows = [row for number, item in enumerate(items, first) for row in _ROWS[of](number, item)]
    table = pd.DataFrame(rows, columns=columns + ROLE_COLUMNS[of])
    if not any(item.reference for item in items):
        columns = COLUMNS[of]
    if any(word.role for item in items for word in item.words):
        columns = columns + ROLE_COLUMNS[of]
    return table[columns]


def _words(number: int, item) -> list[tuple]:
    return [
        (number, w.part, w.text, w.start, w.end, w.kind, w.relevance, item.target, item.prediction, w.reference, w.role)
        for w in item.words
    ]


def _tokens(number: int, item) -> list[tuple]:
    return [
        (number, t.part, t.side, t.text, t.piece, t.start, t.end, t.relevance, item.target, item.prediction)
        for t in item.tokens
    ]


def _texts(number: int, item) -> list[tuple]:
    second = " | ".join(item.texts[1:])
    explained = (item.target, item.prediction, item.probability, item.score)
    ledger = (item.ledger.words, item.ledger.added, item.ledger.rest)
    reference = item.reference or (None, None)
    return [(number, item.texts[0], second, *explained, *ledger, "; ".join(item.notes), *reference)]


_ROWS = {"words": _words, "tokens": _tokens, "texts": _texts}
