"""668 sentences about films, food, hotels, things, books and service, in pairs: one positive, one negative.

Both sentences of a pair are about the same things, so that neutral words carry no information. One in four contains a
negation ("not a bad film"), one in five a contrast ("a slow start, but a wonderful ending").
"""

from importlib.resources import files

import pandas as pd


def read_demo() -> pd.DataFrame:
    """Return the sentences, one per row, with columns ``text``, ``label`` (positive, negative), ``pair``."""
    with files(__package__).joinpath("corpus.tsv").open(encoding="utf-8") as opened:
        return pd.read_csv(opened, sep="\t", dtype=str, keep_default_na=False)
