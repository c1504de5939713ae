"""The models that are timed, with random weights, as the cost doesn't depend on the values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from lrp_domains import capture


@dataclass(frozen=True)
class Subject:
    """A model, its batch, and how to run it.

    Attributes
    ----------
    predict
        One prediction, to be run without gradients.
    forward
        One forward pass with gradients: a score per row, and the tensor to explain.
    from_input
        The score per row as a function of that tensor, for methods that change it.
    explained
        The tensor to explain, computed once.
    """

    predict: Callable[[], Tensor]
    forward: Callable[[], tuple[Tensor, Tensor]]
    from_input: Callable[[Tensor], Tensor]
    explained: Tensor


def language_model(model: nn.Module, batch: int, tokens: int, causal: bool) -> Subject:
    model.eval()
    ids = torch.randint(0, model.config.vocab_size, (batch, tokens))
    embed = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embed)

    def score(output) -> Tensor:
        logits = output.logits
        return logits[:, -1, 1] if causal else logits[:, 1]

    def last_logit(**inputs) -> Tensor:
        # Only the last position of a causal model is computed, as when explaining the next token.
        return score(model(**inputs, logits_to_keep=1) if causal else model(**inputs))

    def forward() -> tuple[Tensor, Tensor]:
        with capture(model, name) as kept:
            result = last_logit(input_ids=ids)
        return result, kept[name]

    with torch.no_grad():
        explained = embed(ids)
    return Subject(lambda: last_logit(input_ids=ids), forward, lambda x: last_logit(inputs_embeds=x), explained)


def bert(batch: int, tokens: int, positions: int = 512) -> Subject:
    config = BertConfig(num_labels=2, max_position_embeddings=positions)
    return language_model(BertForSequenceClassification(config), batch, tokens, causal=False)


def gpt2(batch: int, tokens: int) -> Subject:
    return language_model(GPT2LMHeadModel(GPT2Config(use_cache=False)), batch, tokens, causal=True)


def llama(batch: int, tokens: int) -> Subject:
    config = LlamaConfig(
        hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, num_key_value_heads=4,
        use_cache=False,
    )  # fmt: skip
    return language_model(LlamaForCausalLM(config), batch, tokens, causal=True)


def mlp(batch: int) -> Subject:
    """A gene classifier: 20,000 genes, 8 % of them expressed."""
    model = nn.Sequential(
        nn.Linear(20_000, 1_024), nn.BatchNorm1d(1_024), nn.ReLU(), nn.Dropout(),
        nn.Linear(1_024, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(),
        nn.Linear(256, 20),
    ).eval()  # fmt: skip
    cells = torch.rand(batch, 20_000) * (torch.rand(batch, 20_000) < 0.08)

    def forward() -> tuple[Tensor, Tensor]:
        x = cells.clone().requires_grad_()
        return model(x)[:, 1], x

    return Subject(lambda: model(cells), forward, lambda x: model(x)[:, 1], cells)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "BERT-base, 8 x 128 tokens": lambda: bert(8, 128),
    "BERT-base, 1 x 16 tokens": lambda: bert(1, 16),
    "GPT-2, 8 x 128 tokens": lambda: gpt2(8, 128),
    "GPT-2, 1 x 16 tokens": lambda: gpt2(1, 16),
    "Llama-like, 8 x 128 tokens": lambda: llama(8, 128),
    "Llama-like, 1 x 16 tokens": lambda: llama(1, 16),
    "MLP 20,000 x 1,024 x 256 x 20, 256 cells": lambda: mlp(256),
}
