"""Explaining a corpus to files, part after part; an interrupted pass goes on where it stopped."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from ...domain.files import whole_file
from ..errors import TextError
from ..explainer import TextExplainer
from ..settings import Progress, quietly
from .corpus import Corpus
from .tables import gather, tables, write

PART = 128  # texts: so many an interruption may cost


def explain_corpus(
    explainer: TextExplainer,
    corpus: Corpus,
    words: str | Path,
    texts: str | Path,
    *,
    target: Any = None,
    key: str = "",
    progress: Progress = quietly,
) -> int:
    """Explain all texts of a corpus.

    Parameters
    ----------
    explainer
        With its model.
    corpus
        From `read_corpus`, or a shard of one.
    words, texts
        The tables to write, ``.parquet``. They are joined by their column ``text``, the number of the text.
    target
        What to explain; see `TextExplainer`.
    key
        Names the model, so that parts of an interrupted pass are taken back only if they came from the same one.
    progress
        Wraps the iteration over parts.

    Returns
    -------
    How many texts had been explained before by an interrupted pass.
    """
    words, texts = Path(words), Path(texts)
    for path in (words, texts):
        if path.suffix != ".parquet":
            raise TextError(f"'{path}': the tables of an explained corpus are written as .parquet")
    if words.resolve() == texts.resolve():
        raise TextError(f"'{words}' can't hold both tables: give the table of texts another name")
    corpus = corpus.named(explainer.labels)
    if not len(corpus):
        raise TextError("the shard is empty: there are fewer texts than shards")
    settings = explainer.settings
    asked = (key, corpus, target, explainer.task, settings.rules.table(), repr(settings))
    folder = _folder(words, hashlib.sha256(repr(asked).encode()).hexdigest())
    parts = [(start, min(start + PART, len(corpus))) for start in range(0, len(corpus), PART)]
    done = [stop - start for start, stop in parts if _path(folder, start, "texts").is_file()]
    for start, stop in progress(parts, "Explaining"):
        if _path(folder, start, "texts").is_file():
            continue
        part = corpus.part(start, stop)
        found = tables(list(explainer(list(part.texts), target)), part.labels, part.first)
        for of in ("words", "texts"):  # in this order: where there are texts, there are words as well
            write(found[of], _path(folder, start, of))
    for of, path in (("texts", texts), ("words", words)):
        gather([_path(folder, start, of) for start, _ in parts], path)
    shutil.rmtree(folder, ignore_errors=True)
    return sum(done)


def _folder(out: Path, key: str) -> Path:
    """Give the hidden folder of the parts, empty if it belonged to another request."""
    folder = out.with_name(f".{out.name}.parts")
    known = folder / "key.txt"
    if not known.is_file() or known.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        with whole_file(known) as temporary:
            temporary.write_text(key)
    return folder


def _path(folder: Path, start: int, of: str) -> Path:
    return folder / f"{start:012d}.{of}.parquet"
