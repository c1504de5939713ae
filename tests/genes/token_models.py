"""Small networks of transformers that read cells as tokens, genes in the order of their ranks."""

import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from lrp_domains.genes import RankTokens, gene_model

from .counts_of_two_groups import CLASSES, GENES

DICTIONARY = {"<pad>": 0, "<mask>": 1, "<cls>": 2, "<eos>": 3} | {gene: i + 4 for i, gene in enumerate(GENES)}
MEDIANS = {gene: 1.0 + 0.1 * i for i, gene in enumerate(GENES)}
SIZES = {"vocab_size": 34, "num_labels": 2, "max_position_embeddings": 40, "pad_token_id": 0}
SMALL = SIZES | {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def bert(seed=0) -> nn.Module:
    """Return a small BERT in float64."""
    torch.manual_seed(seed)
    network = BertForSequenceClassification(BertConfig(**SMALL, hidden_dropout_prob=0.0)).double().eval()
    nn.init.normal_(network.bert.pooler.dense.weight, std=0.5)
    return network


def tokens(**settings) -> RankTokens:
    """Return the reading of cells as tokens, between <cls> and <eos> unless the settings say otherwise."""
    return RankTokens.of(GENES, DICTIONARY, MEDIANS, **{"most": 40, "first": "<cls>", "last": "<eos>"} | settings)


def model_of(network, reading=None):
    """Return a model of the two groups that reads cells as tokens."""
    return gene_model(network, GENES, CLASSES, normalisation="counts", labels="group", reading=reading or tokens())
