"""668 sentences about films, food, hotels, things, books and service, in pairs: one positive, one negative.

Both sentences of a pair are about the same things, so that neutral words carry no information. One in four contains a
negation ("not a bad film"), one in five a contrast ("a slow start, but a wonderful ending").
"""

from pathlib import Path

import pandas as pd

CORPUS = Path(__file__).with_name("corpus.tsv")


def read_demo() -> pd.DataFrame:
    """Return the sentences, one per row, with columns ``text``, ``label`` (positive, negative), ``pair``."""
    return pd.read_csv(CORPUS, sep="\t", dtype=str, keep_default_na=False)
