"""A small BERT, trained from scratch on the demo corpus in less than a minute on one core."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from ...domain import Progress, no_progress
from .corpus import read_demo

LABELS = ("negative", "positive")
LONGEST = 64
HELD_OUT = 0.2


@dataclass(frozen=True)
class DemoModel:
    """A trained model, and its accuracy on held-out sentences.

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
    tokenizer: object
    held_out: pd.DataFrame
    accuracy: float

    def save(self, folder: str | Path) -> None:
        """Write the model and its tokenizer as transformers does, and the held-out sentences to ``held_out.tsv``."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.held_out.to_csv(Path(folder) / "held_out.tsv", sep="\t", index=False)


def train_demo(seed: int = 0, epochs: int = 20, progress: Progress = no_progress) -> DemoModel:
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
    from .network import new_network, new_tokenizer

    corpus = read_demo()
    # Pairs are held out whole: a sentence differs from its partner in few words, and would be predicted like it.
    pairs = corpus["pair"].drop_duplicates().sample(frac=HELD_OUT, random_state=seed)
    is_held_out = corpus["pair"].isin(pairs)
    held_out, learned = corpus[is_held_out], corpus[~is_held_out]

    tokenizer = new_tokenizer(learned["text"], LONGEST)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = new_network(tokenizer, LABELS, LONGEST)
        _fit(model, tokenizer, learned, progress=progress, epochs=epochs)

    model.eval()
    with torch.no_grad():
        predicted = model(**_batch(tokenizer, held_out["text"])).logits.argmax(1)
    accuracy = (predicted == _numbers(held_out["label"])).double().mean().item()
    return DemoModel(model, tokenizer, held_out=held_out, accuracy=accuracy)


def _fit(model, tokenizer, corpus: pd.DataFrame, *, epochs: int, progress: Progress, size: int = 16) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    steps = epochs * -(-len(corpus) // size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    batch, labels = _batch(tokenizer, corpus["text"]), _numbers(corpus["label"])
    model.train()
    for _ in progress(range(epochs), "Training"):
        for rows in torch.randperm(len(corpus)).split(size):
            loss = cross_entropy(model(**{name: values[rows] for name, values in batch.items()}).logits, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _batch(tokenizer, texts: pd.Series) -> dict[str, torch.Tensor]:
    return tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")


def _numbers(labels: pd.Series) -> torch.Tensor:
    return torch.tensor([LABELS.index(label) for label in labels])
