"""A small convolutional network and a small vision transformer, trained on made pictures in less than a minute each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

from ..planted_pictures import Planted

BATCH = 64
LAST = "features.block4"  # the last layer of pictures of the convolutional network


def cnn(like: Planted) -> nn.Module:
    """Return four convolutions, each with a batch norm and a ReLU, of 16 and 32 channels, and a dense layer."""
    channels, side, width = like.pictures.shape[1], like.pictures.shape[2], 16
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number, wide in enumerate((width, width, 2 * width, 2 * width), 1):
        blocks[f"block{number}"] = nn.Sequential(
            nn.Conv2d(channels, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()
        )
        if number == 2 or (number == 3 and side > 8):
            blocks[f"pool{number}"] = nn.MaxPool2d(2)
        channels = wide
    head = [nn.AdaptiveAvgPool2d(1)] if side > 8 else []  # small pictures have their patterns at fixed places
    size = 1 if side > 8 else (side // 2) ** 2
    head += [nn.Flatten(), nn.Linear(size * channels, like.classes)]
    return nn.Sequential(OrderedDict(features=nn.Sequential(blocks), head=nn.Sequential(*head)))


class ViT(nn.Module):
    """A vision transformer of three layers with patches of 4 x 4 pixels, of 2 x 2 in small pictures."""

    def __init__(self, like: Planted) -> None:
        super().__init__()
        _, channels, side, _ = like.pictures.shape
        self.network = ViTForImageClassification(
            ViTConfig(
                image_size=side, num_channels=channels, patch_size=4 if side > 8 else 2, hidden_size=64,
                num_hidden_layers=3, num_attention_heads=4, intermediate_size=128, num_labels=like.classes,
                hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
            )
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(pixel_values=pictures).logits


MODELS: dict[str, Callable[[Planted], nn.Module]] = {"CNN": cnn, "ViT": ViT}


def train(make: Callable[[Planted], nn.Module], on: Planted, *, epochs: int, rate: float) -> nn.Module:
    """Return a model for pictures, trained on them."""
    torch.manual_seed(0)
    model = make(on).train()
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    steps = epochs * (len(on) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.2)
    for _ in range(epochs):
        for rows in torch.randperm(len(on)).split(BATCH)[: len(on) // BATCH]:
            loss = nn.functional.cross_entropy(model(on.pictures[rows]), on.labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def predicted(model: nn.Module, on: Planted) -> Tensor:
    """Return the number of each picture's predicted class."""
    return torch.cat([model(part).argmax(1) for part in on.pictures.split(500)])
