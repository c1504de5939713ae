"""Corpora: many texts in one file, explained to tables on disk, in parts and in shards."""

from .check import check_corpus
from .corpus import Corpus, read_corpus
from .on_disk import explain_corpus
from .tables import gather, read_texts, read_words

__all__ = ["Corpus", "check_corpus", "explain_corpus", "gather", "read_corpus", "read_texts", "read_words"]
