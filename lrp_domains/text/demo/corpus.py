"""668 sentences on films, food, hotels, things, books and service, in pairs: one positive, one negative.

The two of a pair speak of the same things, so that neutral words tell nothing. One in four holds a negation ("not a
bad film"), one in five a contrast ("a slow start, but a wonderful ending").
"""

from importlib.resources import files

import pandas as pd


def read_demo() -> pd.DataFrame:
    """Give the sentences: one row each, with columns ``text``, ``label`` (positive, negative), ``pair``."""
    with files(__package__).joinpath("corpus.tsv").open(encoding="utf-8") as opened:
        return pd.read_csv(opened, sep="\t", dtype=str, keep_default_na=False)
