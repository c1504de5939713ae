"""Tiny models of transformers with random weights, none of which is exactly 0 or 1."""

import torch
import transformers
from torch import nn

BERT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 64,
}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 24, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
BART = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 1,
}


@torch.no_grad()
def with_random_weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """Return the model in eval mode and float64, after drawing all its parameters."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + (0.9 if parameter.ndim < 2 else 0))
    return model.eval().double()


def _new_model(family: str, kind: str, tokenizer, sizes: dict) -> nn.Module:
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = getattr(transformers, f"{family}Config")(**({"vocab_size": len(tokenizer)} | ids | sizes))
    return with_random_weights(getattr(transformers, f"{family}{kind}")(config))


def bert(tokenizer, kind: str = "ForSequenceClassification", **options) -> nn.Module:
    """Return a BERT with any head."""
    return _new_model("Bert", kind, tokenizer, sizes=BERT | options)


def gpt2(tokenizer, kind: str = "LMHeadModel", **options) -> nn.Module:
    """Return a GPT-2 with any head."""
    return _new_model("GPT2", kind, tokenizer, sizes=GPT2 | options)


def t5(tokenizer, kind: str = "ForConditionalGeneration", **options) -> nn.Module:
    """Return a T5 with any head."""
    return _new_model("T5", kind, tokenizer, sizes=T5 | options)


def marian(tokenizer, **options) -> nn.Module:
    """Return a Marian, whose sinusoidal positions are frozen."""
    return _new_model("Marian", "MTModel", tokenizer, sizes=BART | options)


def bart(tokenizer, kind: str = "ForConditionalGeneration", **options) -> nn.Module:
    """Return a BART with any head."""
    return _new_model("Bart", kind, tokenizer, sizes=BART | options)
