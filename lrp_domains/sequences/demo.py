"""Sequences with two planted motifs and a rule for their distance, and two small networks trained on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..domain import Progress, no_progress
from ..domain.models.training import fit, save_network
from ..evaluation.planted_motifs import LENGTH, plant_motifs
from .explainer import SequenceExplainer
from .files import Record

CLASSES = ("other", "together")
KMER, BATCH = 5, 32


def make_sequences(count: int, seed: int = 0) -> tuple[list[Record], list[list[tuple[int, int]]]]:
    """Return sequences with labels, and where their motifs are.

    Half have both motifs with 3 to 8 letters between them, in that order, and the label "together". Of the others, 4 in
    10 have them 16 to 60 letters apart, 5 in 10 have one of them, and 1 in 10 none.
    """
    planted = plant_motifs(count, seed)
    records = [
        Record(each.letters, f"sequence{number}", label=CLASSES[each.is_near]) for number, each in enumerate(planted)
    ]
    return records, [each.sites for each in planted]


def new_cnn() -> nn.Module:
    """Return an untrained CNN of one-hot encoded sequences, channels first."""
    first = [nn.Conv1d(4, 24, 9), nn.ReLU(), nn.MaxPool1d(3)]
    second = [nn.Conv1d(24, 24, 9), nn.ReLU(), nn.AdaptiveMaxPool1d(1)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(24, len(CLASSES)))


def new_transformer() -> tuple[nn.Module, Any]:
    """Return an untrained BERT of overlapping words of 5 letters, and its tokenizer."""
    from itertools import product

    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    words = [*special.values(), *map("".join, product("ACGT", repeat=KMER))]
    tokens = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    names = {f"{name}_token": token for name, token in special.items()}
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=LENGTH + 2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
    )
    return BertForSequenceClassification(config), PreTrainedTokenizerFast(tokenizer_object=tokens, **names)


@dataclass(frozen=True)
class Demo:
    """Two trained networks, and what they haven't seen.

    Attributes
    ----------
    cnn, transformer, tokenizer
        The networks, in eval mode.
    records, sites
        Held-out sequences, and where the motifs of each are.
    accuracies
        The share of them that each network predicts correctly, by its name.
    """

    cnn: nn.Module
    transformer: nn.Module
    tokenizer: Any
    records: list[Record]
    sites: list[list[tuple[int, int]]]
    accuracies: dict[str, float]

    @property
    def labels(self) -> list[str]:
        """The labels of the held-out sequences."""
        return [record.label for record in self.records]

    def explainer(self, network: str, **settings: Any) -> SequenceExplainer:
        """Return the explainer of a network, ``"cnn"`` or ``"transformer"``."""
        if network == "transformer":
            return SequenceExplainer(self.transformer, encode=self.tokenizer, **settings)
        return SequenceExplainer(self.cnn, classes=CLASSES, layout="channels first", **settings)

    def save(self, folder: Path) -> None:
        """Write the networks, which require no code, to ``cnn`` and ``transformer``, and the held-out sequences."""
        declared = {"alphabet": "DNA", "layout": "channels first", "classes": CLASSES}
        save_network(self.cnn, torch.zeros(2, 4, LENGTH), folder / "cnn", "sequences", **declared)
        self.transformer.save_pretrained(folder / "transformer")
        self.tokenizer.save_pretrained(folder / "transformer")
        lines = [f">{record.name} label={record.label}\n{record.letters}\n" for record in self.records]
        (folder / "sequences.fa").write_text("".join(lines))
        (folder / "sites.json").write_text(json.dumps(self.sites))


def train_demo(seed: int = 0, *, steps: int = 800, held_out: int = 300, progress: Progress = no_progress) -> Demo:
    """Train both networks on 32 new sequences per step: with 800 steps less than a minute on one core."""
    records, sites = make_sequences(held_out, seed)
    learned, _ = make_sequences(BATCH * steps, seed + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        (transformer, tokenizer), cnn = new_transformer(), new_cnn()
        demo = Demo(cnn, transformer, tokenizer, records, sites, {})
        for name, rate in (("cnn", 5e-3), ("transformer", 3e-3)):
            explainer = demo.explainer(name)
            batches = [learned[start : start + BATCH] for start in range(0, len(learned), BATCH)]
            training = progress(batches, f"Training {name}")
            fit(explainer.model, partial(_loss, explainer), training, steps, rate=rate, weight_decay=0.01)
            with torch.no_grad():
                predicted = _logits(explainer, records).argmax(1)
            demo.accuracies[name] = float((predicted == _numbers(records)).double().mean())
    return demo


def _loss(explainer: SequenceExplainer, records: Sequence[Record]) -> torch.Tensor:
    return nn.functional.cross_entropy(_logits(explainer, records), _numbers(records))


def _logits(explainer: SequenceExplainer, records: Sequence[Record]) -> torch.Tensor:
    inputs = torch.stack([explainer.encoded(record.letters, record.name) for record in records])
    return explainer.read(explainer.model, inputs).outputs


def _numbers(records: Sequence[Record]) -> torch.Tensor:
    return torch.tensor([CLASSES.index(record.label) for record in records])
