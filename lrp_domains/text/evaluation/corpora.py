"""The texts of a corpus that methods are compared on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..corpora.corpus import Corpus
from ..errors import TextError
from ..explainer import TextExplainer


def draw(corpus: Corpus, count: int, seed: int = 0) -> Corpus:
    """Return some texts of a corpus, drawn at random, in its order; pairs and empty texts are refused or left out."""
    if any(not isinstance(text, str) for text in corpus.texts):
        raise TextError("methods are compared on single texts, and the corpus has pairs")
    usable = [number for number, text in enumerate(corpus.texts) if text.strip() and number not in corpus.invalid]
    if len(usable) < 2:
        raise TextError(f"the corpus has {len(usable)} texts: two at least are needed to compare methods")
    chosen = np.sort(np.random.default_rng(seed).permutation(usable)[:count]).tolist()
    labels = tuple(corpus.labels[number] for number in chosen) if corpus.labels else ()
    return replace(corpus, texts=tuple(corpus.texts[number] for number in chosen), labels=labels, invalid={})


def near_chance(explainer: TextExplainer, corpus: Corpus) -> list[str]:
    """Return a note if the model's predictions are no better than the most frequent label's; none without labels."""
    if not corpus.labels:
        return []
    predicted = [str(result.prediction) for result in explainer.explaining_by(None)(list(corpus.texts))]
    right = float(np.mean([label == other for label, other in zip(corpus.labels, predicted, strict=True)]))
    _, counts = np.unique(corpus.labels, return_counts=True)
    chance = counts.max() / counts.sum()
    # Twice the standard error of a share.
    if right > chance + 2 * np.sqrt(chance * (1 - chance) / len(predicted)):
        return []
    return [
        f"The model is right for {right:.0%} of these texts, and the most frequent label for {chance:.0%}: near "
        "chance, there is little to explain."
    ]
