"""A look at a corpus and its model from end to end, before any computing."""

from collections import Counter
from statistics import median

from ..explainer import TextExplainer
from .corpus import Corpus


def check_corpus(corpus: Corpus, explainer: TextExplainer, target=None) -> dict:
    """Explain the longest and the shortest text, compare the labels with the model's, and tell what there is.

    Raises
    ------
    TextError, lrp_domains.RelevanceError
        What would come up later, on some text.
    """
    corpus = corpus.named(explainer.labels)
    lengths = [len(one) if isinstance(one, str) else sum(map(len, one)) for one in corpus.texts]
    shortest, longest = (lengths.index(one) for one in (min(lengths), max(lengths)))
    tried = explainer([corpus.texts[shortest], corpus.texts[longest]], target)
    return {
        "texts": len(corpus),
        "labels": dict(sorted(Counter(corpus.labels).items())),
        "characters": {"median": median(lengths), "most": max(lengths)},
        "twice": len(corpus) - len(set(corpus.texts)),
        "task": explainer.task,
        "model_labels": list(explainer.labels.names) if explainer.labels else [],
        "tokens_of_the_longest": len(tried[1].tokens),
        "notes": list(tried[1].notes),
    }
