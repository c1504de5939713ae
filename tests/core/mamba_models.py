"""Small Mamba and Mamba-2 models in float64, and the relevance of their embeddings for one class."""

from contextlib import contextmanager

import pytest
import torch
import transformers

from lrp_domains import MAMBA_LRP, relevance
from tests.architectures.zoo import perturb

WORDS = torch.tensor([[3, 5, 7, 1, 9, 12, 4, 4, 18]])
CLASS = 3
SIZES = {
    "vocab_size": 20, "hidden_size": 6, "state_size": 3, "num_hidden_layers": 2, "expand": 2, "conv_kernel": 3,
    "use_bias": True,
}  # fmt: skip


@contextmanager
def all_in_float64():
    """Temporarily replace float32 by float64, as Mamba casts to float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        patch.setattr(torch, "float32", torch.float64)
        yield


def model_of(kind, **sizes):
    torch.manual_seed(0)
    if kind == "mamba":
        model = transformers.MambaForCausalLM(transformers.MambaConfig(**SIZES, time_step_rank=2, **sizes))
    else:
        sizes = {"num_heads": 4, "head_dim": 3, "n_groups": 2, "chunk_size": 4} | sizes
        model = transformers.Mamba2ForCausalLM(transformers.Mamba2Config(**SIZES, **sizes))
    perturb(model, torch.Generator().manual_seed(0), 0.3)
    return model.double().eval()


def forward(model, words=WORDS, **options):
    with all_in_float64():
        x = model.get_input_embeddings()(words).detach().requires_grad_()
        return model(inputs_embeds=x, **{"use_cache": False} | options).logits[:, -1, CLASS], x


def explained(model, rules=MAMBA_LRP, of=relevance, **options):
    score, x = forward(model, **options)
    return of(score, x, rules=rules, model=model)
