"""A check of a corpus and its model from end to end, before any long computation."""

from collections import Counter
from statistics import median
from typing import Any

from ..explainer import TextExplainer
from .corpus import Corpus


def check_corpus(
    corpus: Corpus, explainer: TextExplainer, target: Any = None, *, against: Any = None, reference: Any = None
) -> dict:
    """Explain the longest and the shortest text, compare the labels with the model's, and return a summary.

    Raises
    ------
    TextError, lrp_domains.RelevanceError
        What would be raised later, for some text.
    """
    corpus = corpus.named(explainer.labels)
    lengths = [len(text) if isinstance(text, str) else sum(map(len, text)) for text in corpus.texts]
    shortest, longest = lengths.index(min(lengths)), lengths.index(max(lengths))
    texts = [corpus.texts[shortest], corpus.texts[longest]]
    results = explainer(texts, target, against=against, reference=reference)
    return {
        "texts": len(corpus),
        "labels": dict(sorted(Counter(corpus.labels).items())),
        "characters": {"median": median(lengths), "most": max(lengths)},
        "twice": len(corpus) - len(set(corpus.texts)),
        "task": explainer.task,
        "model_labels": list(explainer.labels.names) if explainer.labels else [],
        "tokens_of_the_longest": len(results[1].tokens),
        "notes": list(results[1].notes),
    }
