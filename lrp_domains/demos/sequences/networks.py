"""New networks for the demo, of one-hot encoded letters and of words of 5 letters."""

from itertools import product
from typing import Any

from torch import nn

from ..word_tokenizers import SPECIAL, like_bert
from .planted_motifs import CLASSES, LENGTH, LETTERS

KMER = 5


def new_cnn() -> nn.Module:
    """Return an untrained CNN of one-hot encoded sequences, channels first."""
    first = [nn.Conv1d(4, 24, 9), nn.ReLU(), nn.MaxPool1d(3)]
    second = [nn.Conv1d(24, 24, 9), nn.ReLU(), nn.AdaptiveMaxPool1d(1)]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(24, len(CLASSES)))


def new_transformer() -> tuple[nn.Module, Any]:
    """Return an untrained BERT of overlapping words of 5 letters, and its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification

    words = [*SPECIAL.values(), *map("".join, product(LETTERS, repeat=KMER))]
    tokens = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
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
    return BertForSequenceClassification(config), like_bert(tokens)
