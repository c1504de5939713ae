"""A corpus explained to files, part by part; an interrupted run resumes."""

import hashlib
from pathlib import Path
from typing import Any

from ...domain import Progress, no_progress, resumable
from ..arguments import checked_reference
from ..errors import TextError
from ..explainer import TextExplainer
from .corpus import Corpus
from .tables import gather, tables, write

PART = 128  # texts, which an interruption may cost


def explain_corpus(
    explainer: TextExplainer,
    corpus: Corpus,
    words: str | Path,
    texts: str | Path,
    *,
    target: Any = None,
    against: Any = None,
    reference: Any = None,
    key: str = "",
    progress: Progress = no_progress,
) -> int:
    """Explain all texts of a corpus.

    Parameters
    ----------
    explainer
        The explainer to use.
    corpus
        From `read_corpus`, or a shard of one.
    words, texts
        The tables to write, ``.parquet``. They are joined by their column ``text``, the number of the text.
    target, against, reference
        What to explain; see `TextExplainer`.
    key
        Identifies the model: finished parts of an interrupted run are kept only if they have the same key.
    progress
        Wraps the iteration over parts.

    Returns
    -------
    The number of texts that an interrupted run had explained before.
    """
    words, texts = Path(words), Path(texts)
    for path in (words, texts):
        if path.suffix != ".parquet":
            raise TextError(f"'{path}': the tables of an explained corpus are written as .parquet")
    if words.resolve() == texts.resolve():
        raise TextError(f"'{words}' can't be both tables: choose another name for the table of texts")
    corpus = corpus.named(explainer.labels)
    if not len(corpus):
        raise TextError("the shard is empty: there are fewer texts than shards")

    settings = explainer.settings
    reference = checked_reference(reference)
    against_reference = reference is not None or settings.reference is not None
    rules = settings.rule_set(against_reference=against_reference)
    request = (key, corpus, target, against, reference, explainer.task, rules.table(), repr(settings))
    parts = [(start, min(start + PART, len(corpus))) for start in range(0, len(corpus), PART)]
    with resumable(words, hashlib.sha256(repr(request).encode()).hexdigest()) as folder:
        finished = [start for start, _ in parts if _path(folder, start, "texts").is_file()]
        for start, stop in progress(parts, "Explaining"):
            if start in finished:
                continue
            part = corpus.part(start, stop)
            results = explainer(list(part.texts), target, against=against, reference=reference)
            explained = tables(list(results), part.labels, part.first)
            # In this order: a part whose table of texts exists has its table of words too.
            for of in ("words", "texts"):
                write(explained[of], _path(folder, start, of))
        for of, path in (("texts", texts), ("words", words)):
            gather([_path(folder, start, of) for start, _ in parts], path)
    return sum(stop - start for start, stop in parts if start in finished)


def _path(folder: Path, start: int, of: str) -> Path:
    return folder / f"{start:012d}.{of}.parquet"
