"""The texts of a corpus that methods are compared on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..corpora.corpus import Corpus
from ..errors import TextError


def draw(corpus: Corpus, count: int, seed: int = 0) -> Corpus:
    """Return some texts of a corpus, drawn at random, in its order; pairs and empty texts are refused or left out."""
    if any(not isinstance(text, str) for text in corpus.texts):
        raise TextError("methods are compared on single texts, and the corpus has pairs")
    usable = [number for number, text in enumerate(corpus.texts) if text.strip() and number not in corpus.invalid]
    if len(usable) < 2:
        found = "one text" if usable else "no texts"
        raise TextError(f"the corpus has {found} to explain: two at least are needed to compare methods")
    chosen = np.sort(np.random.default_rng(seed).permutation(usable)[:count]).tolist()
    labels = tuple(corpus.labels[number] for number in chosen) if corpus.labels else ()
    return replace(corpus, texts=tuple(corpus.texts[number] for number in chosen), labels=labels, invalid={})
