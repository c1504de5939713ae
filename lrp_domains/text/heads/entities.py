"""Labels of words from the probabilities of their tokens, and entities, as transformers' pipeline finds them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = "O"  # the label of words that are not part of an entity


class Entity(NamedTuple):
    """Neighbouring words with labels of one type: their numbers, and the mean probability of their labels."""

    words: np.ndarray
    probability: float


def probabilities_of_words(probabilities: np.ndarray, words: Sequence[np.ndarray], aggregation: str) -> np.ndarray:
    """Return the probability of each label of each word, W x K, from those of its tokens, T x K.

    ``"average"`` is their mean, ``"first"`` those of the first token, ``"max"`` those of the surest token. With
    ``"simple"`` each token is a word.
    """
    if aggregation == "first":
        return probabilities[[word[0] for word in words]]
    if aggregation == "max":
        return probabilities[[word[probabilities[word].max(1).argmax()] for word in words]]
    return np.stack([probabilities[word].mean(0) for word in words])


def type_of(label: str) -> str:
    """Return the type of entity of a label: PER of B-PER and I-PER."""
    return label[2:] if label.startswith(("B-", "I-")) else label


def entities_of(probabilities: np.ndarray, names: Sequence[str], texts: Sequence[int]) -> list[Entity]:
    """Return the entities of a text or a pair, from the probabilities of its words' labels, W x K.

    A word continues an entity of its text if its label has the same type and doesn't begin with B-. `texts` are the
    numbers of the words' texts.
    """
    labels = probabilities.argmax(1)
    groups: list[list[int]] = []
    for word, label in enumerate(labels):
        name = names[label]
        follows = word > 0 and texts[word] == texts[word - 1] and not name.startswith("B-")
        if follows and type_of(name) == type_of(names[labels[word - 1]]):
            groups[-1].append(word)
        else:
            groups.append([word])

    kept = [np.array(group) for group in groups if names[labels[group[0]]] != OUTSIDE]
    return [Entity(group, float(probabilities[group, labels[group]].mean())) for group in kept]


def name_of_labels(labels: Sequence[int], names: Sequence[str]) -> str:
    """Return the name of the labels of neighbouring words: one label, their type, or a list of labels."""
    distinct = list(dict.fromkeys(names[label] for label in labels))
    if len(distinct) == 1:
        return distinct[0]
    types = {type_of(name) for name in distinct}
    return types.pop() if len(types) == 1 else ", ".join(distinct)
