# The public names; __init__.py imports each when it is first used.
from .check import check_corpus
from .corpus import Corpus, read_corpus
from .joined import gather
from .on_disk import explain_corpus
from .ranked import rank_words
from .tables import read_texts, read_words

__all__ = [
    "Corpus",
    "check_corpus",
    "explain_corpus",
    "gather",
    "rank_words",
    "read_corpus",
    "read_texts",
    "read_words",
]
