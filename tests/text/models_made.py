"""Tiny models of transformers, with noise on every weight so that none is just zero or one."""

import torch
import transformers
from torch import nn

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 64,
}  # fmt: skip


@torch.no_grad()
def shaken(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in eval mode and float64, its parameters spread."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return model.eval().double()


def bert(tokenizer, kind: str = "ForSequenceClassification", **options) -> nn.Module:
    """A BERT of any head."""
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), **(SIZES | {"pad_token_id": tokenizer.pad_token_id} | options)
    )
    return shaken(getattr(transformers, f"Bert{kind}")(config))


def gpt2(tokenizer, kind: str = "LMHeadModel", **options) -> nn.Module:
    """A GPT-2 of any head."""
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 24, "n_positions": 64, "bos_token_id": 0}
    sizes |= {"eos_token_id": 0, "pad_token_id": tokenizer.pad_token_id}
    return shaken(
        getattr(transformers, f"GPT2{kind}")(transformers.GPT2Config(vocab_size=len(tokenizer), **(sizes | options)))
    )
