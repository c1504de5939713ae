"""A corpus explained to files, part by part; an interrupted run resumes."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...domain import Progress, no_progress, resumable
from ...domain.files.tables import write
from ...domain.runs.identity import weights_of
from ..arguments import checked_reference
from ..errors import TextError
from ..explainer import TextExplainer
from .corpus import PART, Corpus, check_on_error
from .identity import request_of
from .joined import join, origin_of
from .outcomes import check_target, outcomes
from .parts import described, digests, finished, path_of, plan
from .tables import ERROR, tables

SHOWN = 3  # errors in a message about skipped rows


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
    on_error: str = "raise",
    verify: Callable[[], None] = lambda: None,
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
        The tables to write, ``.parquet``. They are joined by their column ``text``, the number of the text: its row in
        the file, from 0.
    target, against, reference
        What to explain; see `TextExplainer`. A corpus with a column of references has one for each text.
    key
        Identifies the model's weights and its tokenizer, such as a version; without one, the weights are hashed.
        Finished parts of an interrupted run are kept only if they have the same key, and if the rest of the request is
        the same. They are kept for all rows that didn't change.
    on_error
        What happens to a text that can't be explained: ``"raise"`` its error, which names the row, or ``"skip"`` it,
        with a warning at the end: the table of texts has its error in the column ``error`` and no results.
    verify
        Called before the tables are written; raises if the corpus or the model isn't the one that was read, see
        `lrp_domains.domain.unchanged`.
    progress
        Wraps the iteration over parts.

    Returns
    -------
    The number of texts that an interrupted run had explained before.

    Raises
    ------
    TextError
        A text can't be explained, or none of them.
    """
    words, texts = Path(words), Path(texts)
    _check_paths(words, texts)
    check_on_error(on_error)
    corpus = corpus.named(explainer.labels)
    if not len(corpus):
        raise TextError("the shard is empty: there are fewer texts than shards")
    check_target(explainer._pipeline, target)

    settings, pipeline = explainer.settings, explainer._pipeline
    reference = checked_reference(reference)
    against_reference = bool(corpus.references) or reference is not None or settings.reference is not None
    wishes = {"target": target, "against": against, "reference": reference}
    request = request_of(pipeline, against_reference, wishes)
    weights = key or weights_of(pipeline.model.network.module)

    rows = digests(corpus)
    with resumable(words, f"{request} {weights}") as folder:
        parts = plan(rows, finished(folder, on_error), PART)
        done = {rows[start:stop] for start, stop in parts} & set(finished(folder, on_error))
        before = sum(stop - start for start, stop in parts if rows[start:stop] in done)
        for start, stop in progress(parts, "Explaining"):
            if rows[start:stop] in done:
                continue
            part = corpus.part(start, stop)
            results = outcomes(pipeline, part, on_error=on_error, **wishes)
            with pipeline.clock("writing"):
                explained = tables(results, part, against_reference, settings.half_precision)
                skipped = sum(isinstance(result, str) for result in results)
                explained["texts"] = described(explained["texts"], rows[start:stop], skipped)
                # In this order: a part whose table of texts exists has its table of words too.
                for of in ("words", "texts"):
                    write(explained[of], path_of(folder, rows[start:stop], of))
            done.add(rows[start:stop])

        files = {
            of: [(path_of(folder, rows[start:stop], of), corpus.first + start) for start, stop in parts]
            for of in ("texts", "words")
        }
        _report_skipped(corpus, files["texts"])
        verify()
        with pipeline.clock("writing"):
            for of, path in (("texts", texts), ("words", words)):
                join(files[of], path, origin_of(corpus, request))
    return before


def _check_paths(words: Path, texts: Path) -> None:
    for path in (words, texts):
        if path.suffix != ".parquet":
            raise TextError(f"'{path}': the tables of an explained corpus are written as .parquet")
    if words.resolve() == texts.resolve():
        raise TextError(f"'{words}' can't be both tables: choose another name for the table of texts")


def _report_skipped(corpus: Corpus, files: list[tuple[Path, int]]) -> None:
    """Warn about the rows that were skipped; raise if there are no others."""
    errors = []
    for path, first in files:
        column = pq.read_table(path, columns=[ERROR])[ERROR]
        errors += [(first + row, column[row].as_py()) for row in pc.indices_nonzero(column.is_valid()).to_pylist()]
    if not errors:
        return
    shown = "; ".join(f"{corpus.row(number - corpus.first)}: {error}" for number, error in errors[:SHOWN])
    more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    if len(errors) == len(corpus):
        raise TextError(f"none of the {len(corpus)} texts could be explained: {shown}{more}")
    warnings.warn(
        f"skipped {len(errors)} of {len(corpus)} texts, see the column '{ERROR}' of the table of texts: {shown}{more}",
        stacklevel=2,
    )
