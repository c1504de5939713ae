"""A small BERT, trained from scratch on the demo corpus in less than a minute on one core."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ...domain import Progress, no_progress
from ..training import shuffled, train_classifier
from .corpus import read_demo
from .network import new_network, new_tokenizer

LABELS = ("negative", "positive")
LONGEST = 64
HELD_OUT, BATCH = 0.2, 16


@dataclass(frozen=True)
class Demo:
    """A small BERT, and sentences that it hasn't seen.

    Attributes
    ----------
    model, tokenizer
        Of transformers.
    held_out
        The rows of `read_demo` that it was not trained on.
    accuracy
        The share of these that it predicts correctly.
    """

    model: torch.nn.Module
    tokenizer: Any
    held_out: pd.DataFrame
    accuracy: float

    def save(self, folder: str | Path) -> None:
        """Write the model and its tokenizer as transformers does, and the held-out sentences to ``held_out.tsv``."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.held_out.to_csv(Path(folder) / "held_out.tsv", sep="\t", index=False)


def train_demo(seed: int = 0, *, epochs: int = 20, progress: Progress = no_progress) -> Demo:
    """Train on four fifths of the demo corpus, and test on the rest.

    Parameters
    ----------
    seed
        Determines the weights, what is held out, and the order of sentences.
    epochs
        Number of passes over the sentences.
    progress
        Wraps the iteration over epochs.
    """
    corpus = read_demo()
    # Pairs are held out whole: a sentence differs from its partner in few words, and would be predicted like it.
    pairs = corpus["pair"].drop_duplicates().sample(frac=HELD_OUT, random_state=seed)
    is_held_out = corpus["pair"].isin(pairs)
    held_out, learned = corpus[is_held_out], corpus[~is_held_out]

    tokenizer = new_tokenizer(learned["text"], LONGEST)
    (x, y), tested = (_read(tokenizer, part) for part in (learned, held_out))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = new_network(tokenizer, LABELS, LONGEST)
        batches = (
            ({name: values[rows] for name, values in x.items()}, y[rows])
            for rows in shuffled(len(y), BATCH, progress(range(epochs), "Training"))
        )
        steps = epochs * -(-len(y) // BATCH)
        options = {"rate": 1e-3, "weight_decay": 0.05}
        accuracy = train_classifier(model, lambda x: model(**x), batches, tested, steps, **options)
    return Demo(model, tokenizer, held_out=held_out, accuracy=accuracy)


def _read(tokenizer: Any, corpus: pd.DataFrame) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return the tokens and the number of the label of each sentence."""
    tokens = tokenizer(list(corpus["text"]), padding=True, truncation=True, return_tensors="pt")
    return dict(tokens), torch.tensor([LABELS.index(label) for label in corpus["label"]])
