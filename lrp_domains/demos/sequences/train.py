"""Two small networks, trained on planted motifs in a minute on one core."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...domain import Progress, no_progress
from ...sequences import Record, SequenceExplainer
from ..training import save_network, train_classifier
from .networks import new_cnn, new_transformer
from .planted_motifs import CLASSES, LENGTH, Sites, make_sequences

BATCH = 32
RATES = {"cnn": 5e-3, "transformer": 3e-3}


@dataclass(frozen=True)
class Demo:
    """A convolutional network and a transformer, and sequences that they haven't seen.

    Attributes
    ----------
    networks
        By name, ``cnn`` and ``transformer``, in eval mode.
    accuracies
        The share of the held-out sequences that each network predicts correctly.
    tokenizer
        Of the transformer.
    records, sites
        The held-out sequences, and where the motifs of each start and end.
    """

    networks: Mapping[str, nn.Module]
    accuracies: Mapping[str, float]
    tokenizer: Any
    records: list[Record]
    sites: list[Sites]

    @property
    def labels(self) -> list[str]:
        """The labels of the held-out sequences."""
        return [record.label for record in self.records]

    def explainer(self, network: str, **settings: Any) -> SequenceExplainer:
        """Return the explainer of a network, ``"cnn"`` or ``"transformer"``."""
        if network == "transformer":
            return SequenceExplainer(self.networks[network], encode=self.tokenizer, **settings)
        return SequenceExplainer(self.networks[network], classes=CLASSES, layout="channels first", **settings)

    def save(self, folder: str | Path) -> None:
        """Write the networks, which require no code, to ``cnn`` and ``transformer``, and the held-out sequences."""
        folder = Path(folder)
        declared = {"alphabet": "DNA", "layout": "channels first", "classes": CLASSES}
        save_network(self.networks["cnn"], torch.zeros(2, 4, LENGTH), folder / "cnn", "sequences", **declared)
        for each in (self.networks["transformer"], self.tokenizer):
            each.save_pretrained(folder / "transformer")
        lines = [f">{record.name} label={record.label}\n{record.letters}\n" for record in self.records]
        (folder / "sequences.fa").write_text("".join(lines))
        (folder / "sites.json").write_text(json.dumps(self.sites))


def train_demo(seed: int = 0, *, steps: int = 800, held_out: int = 300, progress: Progress = no_progress) -> Demo:
    """Train both networks on 32 new sequences per step: with 800 steps less than a minute on one core.

    Parameters
    ----------
    seed
        Determines the weights and the sequences.
    steps
        Number of batches.
    held_out
        Number of sequences to test the networks on.
    progress
        Wraps the iteration over batches.
    """
    records, sites = make_sequences(held_out, seed)
    learned, _ = make_sequences(BATCH * steps, seed + 1)
    batches = [learned[start : start + BATCH] for start in range(0, len(learned), BATCH)]
    accuracies = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        (transformer, tokenizer), cnn = new_transformer(), new_cnn()
        demo = Demo({"cnn": cnn, "transformer": transformer}, accuracies, tokenizer, records, sites)
        for name, network in demo.networks.items():
            labelled = ((batch, _numbers(batch)) for batch in progress(batches, f"Training {name}"))
            options = {"rate": RATES[name], "weight_decay": 0.01}
            forward = partial(_logits, demo.explainer(name))
            tested = records, _numbers(records)
            accuracies[name] = train_classifier(network, forward, labelled, tested, steps, **options)
    return demo


def _logits(explainer: SequenceExplainer, records: Sequence[Record]) -> torch.Tensor:
    inputs = torch.stack([explainer.encoded(record.letters, record.name) for record in records])
    return explainer.read(explainer.model, inputs).outputs


def _numbers(records: Sequence[Record]) -> torch.Tensor:
    return torch.tensor([CLASSES.index(record.label) for record in records])
