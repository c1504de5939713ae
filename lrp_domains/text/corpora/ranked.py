"""The words of each class of a corpus on disk, a group of rows at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from ..results.class_words import NEEDED, ranked_words
from .tables import read_rows, word_chunks


def rank_words(words: str | Path, texts: str | Path, **options: Any) -> pd.DataFrame:
    """Rank the words of each class by their relevance over an explained corpus; memory doesn't grow with the corpus.

    Parameters
    ----------
    words, texts
        The tables of words and of texts.
    options
        Those of `lrp_domains.text.class_words`, which returns the same.
    """
    chunks: Callable = lambda: word_chunks(words, NEEDED)  # noqa: E731
    return ranked_words(chunks, lambda numbers: read_rows(texts, "texts", numbers), **options)
