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
    ModernBertConfig,
    ModernBertForSequenceClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)


@dataclass(frozen=True)
class Subject:
    """A model, and a batch to explain.

    Attributes
    ----------
    model
        From the tensor to explain to a row of scores per sample. Its weights don't require grad, as one explains
        inputs: otherwise some of the methods would compute the gradients of all weights, too.
    x
        The tensor to explain, such as the embeddings of the words. The first dimension is that of samples.
    """

    model: nn.Module
    x: Tensor

    def score(self, x: Tensor) -> Tensor:
        """Return the score of each sample."""
        return self.model(x)[:, 1]


class FromEmbeddings(nn.Module):
    """A model of transformers as a function of the embeddings of its tokens."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, embeddings: Tensor) -> Tensor:
        if hasattr(self.model, "lm_head"):
            # Only the last position of a causal model is computed, as when explaining the next token.
            return self.model(inputs_embeds=embeddings, logits_to_keep=1).logits[:, -1]
        return self.model(inputs_embeds=embeddings).logits


class FromPixels(nn.Module):
    """A model of transformers as a function of images."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model(pixel_values=pixels).logits


def _frozen(model: nn.Module, x: Tensor) -> Subject:
    return Subject(model.eval().requires_grad_(False), x)


def _of_tokens(model: nn.Module, batch: int, tokens: int) -> Subject:
    ids = torch.randint(0, model.config.vocab_size, (batch, tokens))
    return _frozen(FromEmbeddings(model), model.get_input_embeddings()(ids).detach())


def bert(batch: int, tokens: int, positions: int = 512) -> Subject:
    config = BertConfig(num_labels=2, max_position_embeddings=positions)
    return _of_tokens(BertForSequenceClassification(config), batch, tokens)


def gpt2(batch: int, tokens: int) -> Subject:
    return _of_tokens(GPT2LMHeadModel(GPT2Config(use_cache=False)), batch, tokens)


def llama(batch: int, tokens: int) -> Subject:
    config = LlamaConfig(
        hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, num_key_value_heads=4,
        use_cache=False,
    )  # fmt: skip
    return _of_tokens(LlamaForCausalLM(config), batch, tokens)


def modernbert(batch: int, tokens: int) -> Subject:
    config = ModernBertConfig(num_labels=2, attn_implementation="sdpa", reference_compile=False)
    return _of_tokens(ModernBertForSequenceClassification(config), batch, tokens)


def geneformer(batch: int, genes: int) -> Subject:
    """A transformer over the genes of a cell, in the order of their expression."""
    config = BertConfig(
        vocab_size=25_426, hidden_size=256, intermediate_size=512, num_hidden_layers=6, num_attention_heads=4,
        max_position_embeddings=2_048, hidden_act="relu", num_labels=20,
    )  # fmt: skip
    return _of_tokens(BertForSequenceClassification(config), batch, genes)


def mlp(batch: int) -> Subject:
    """A gene classifier: 20,000 genes, 8 % of them expressed."""
    model = nn.Sequential(
        nn.Linear(20_000, 1_024), nn.BatchNorm1d(1_024), nn.ReLU(), nn.Dropout(),
        nn.Linear(1_024, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(),
        nn.Linear(256, 20),
    )  # fmt: skip
    return _frozen(model, torch.rand(batch, 20_000) * (torch.rand(batch, 20_000) < 0.08))


def vit(batch: int) -> Subject:
    return _frozen(FromPixels(ViTForImageClassification(ViTConfig(num_labels=1_000))), _images(batch))


def resnet18(batch: int) -> Subject:
    config = ResNetConfig(
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic", num_labels=1_000
    )
    return _frozen(FromPixels(ResNetForImageClassification(config)), _images(batch))


def vgg(batch: int) -> Subject:
    """The convolutions of VGG-11, with a smaller head."""
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, None, 128, None, 256, 256, None, 512, 512, None, 512, 512, None):
        if width is None:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    head = [nn.Flatten(), nn.Linear(512 * 7 * 7, 512), nn.ReLU(), nn.Linear(512, 1_000)]
    return _frozen(nn.Sequential(*layers, *head), _images(batch))


class Residual(nn.Module):
    """A block whose result is added to what it reads."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


def bpnet(batch: int, bases: int) -> Subject:
    """Dilated convolutions over one-hot encoded DNA, in the manner of BPNet, and a count."""
    layers: list[nn.Module] = [nn.Conv1d(4, 64, 21, padding=10), nn.ReLU()]
    for dilation in (2**n for n in range(1, 9)):
        convolution = nn.Conv1d(64, 64, 3, dilation=dilation, padding=dilation)
        layers.append(Residual(nn.Sequential(convolution, nn.ReLU())))
    return _frozen(
        nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 2)), _bases(batch, bases)
    )


def enformer(batch: int, bases: int) -> Subject:
    """Convolutions and pooling over one-hot encoded DNA, then a transformer, in the manner of Enformer."""
    stem: list[nn.Module] = [nn.Conv1d(4, 128, 15, padding=7)]
    for width, following in ((128, 192), (192, 256), (256, 256)):
        stem += [nn.BatchNorm1d(width), nn.GELU(), nn.Conv1d(width, following, 5, padding=2), nn.MaxPool1d(2)]
    layer = nn.TransformerEncoderLayer(256, 8, 512, activation="gelu", batch_first=True, norm_first=True)
    trunk = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    return _frozen(
        nn.Sequential(*stem, Transposed(), trunk, MeanOfPositions(), nn.Linear(256, 4)), _bases(batch, bases)
    )


class Transposed(nn.Module):
    """From channels first to channels last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class MeanOfPositions(nn.Module):
    """The mean over positions, which come second."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def _bases(batch: int, bases: int) -> Tensor:
    return nn.functional.one_hot(torch.randint(4, (batch, bases)), 4).mT.float()


def _images(batch: int) -> Tensor:
    return torch.randn(batch, 3, 224, 224)


SHAPES = ((1, 16), (1, 512), (8, 128), (32, 128))
SUBJECTS: dict[str, Callable[[], Subject]] = {
    "gene MLP, 256 cells": lambda: mlp(256),
    **{f"BERT-base, {b} x {t}": lambda b=b, t=t: bert(b, t) for b, t in SHAPES},
    **{f"GPT-2, {b} x {t}": lambda b=b, t=t: gpt2(b, t) for b, t in SHAPES},
    "Llama-like, 1 x 16": lambda: llama(1, 16),
    "Llama-like, 8 x 128": lambda: llama(8, 128),
    "ModernBERT-like, 1 x 128": lambda: modernbert(1, 128),
    "Geneformer-like, 1 x 2048": lambda: geneformer(1, 2_048),
    "ViT-base, 4 images": lambda: vit(4),
    "ResNet-18, 8 images": lambda: resnet18(8),
    "VGG-like, 4 images": lambda: vgg(4),
    "BPNet-like, 8 x 2114 bases": lambda: bpnet(8, 2_114),
    "Enformer-like, 2 x 4096 bases": lambda: enformer(2, 4_096),
}
# Networks of layers, without attention, which some libraries have rules for only.
LAYERED = ("gene MLP", "ResNet", "VGG")
# One text at a time: where a compiled explanation is asked to cost at most .6 gradients.
SINGLE_TEXTS = tuple(name for name in SUBJECTS if ", 1 x " in name and "Geneformer" not in name)


def make(name: str) -> Subject:
    """Return a subject whose random numbers are the same every time."""
    torch.manual_seed(0)
    return SUBJECTS[name]()
