"""Handwritten digits, and two small networks trained on them: pictures explained without any download."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from ..domain import Progress, no_progress
from ..domain.files.tsv import write_tsv
from .training import save_network, shuffled, train_classifier

__all__ = ["Demo", "train_demo"]

CLASSES = tuple(map(str, range(10)))
SIZE, HELD_OUT, BATCH = 8, 0.2, 32


@dataclass(frozen=True)
class Demo:
    """A convolutional network and a vision transformer, and digits that they haven't seen.

    Attributes
    ----------
    networks
        By name, ``cnn`` and ``vit``, in eval mode.
    accuracies
        The share of the held-out digits that each network predicts correctly.
    pictures, labels
        The held-out digits, N x 8 x 8, uint8.
    """

    networks: Mapping[str, nn.Module]
    accuracies: Mapping[str, float]
    pictures: np.ndarray
    labels: np.ndarray

    def save(self, folder: str | Path) -> None:
        """Write ``cnn`` (declared, exported), ``vit`` (of transformers), and the pictures with ``pictures.tsv``."""
        from transformers import ViTImageProcessorPil

        folder = Path(folder)
        (folder / "pictures").mkdir(parents=True)
        example = torch.rand(2, 1, SIZE, SIZE)
        save_network(self.networks["cnn"], example, folder / "cnn", "pictures", classes=CLASSES, mode="L")
        self.networks["vit"].save_pretrained(folder / "vit")
        size = {"height": SIZE, "width": SIZE}
        ViTImageProcessorPil(size=size, do_normalize=False).save_pretrained(folder / "vit")
        paths = [f"pictures/{number:03}.png" for number in range(len(self.pictures))]
        for path, picture in zip(paths, self.pictures, strict=True):
            Image.fromarray(picture).save(folder / path)
        write_tsv(pd.DataFrame({"path": paths, "label": self.labels}), folder / "pictures.tsv")


def train_demo(seed: int = 0, *, epochs: int = 20, progress: Progress = no_progress) -> Demo:
    """Train both networks on four fifths of scikit-learn's 1,797 digits, in less than a minute on one core.

    Parameters
    ----------
    seed
        Determines the weights, what is held out, and the order of digits.
    epochs
        Number of passes over the digits.
    progress
        Wraps the iteration over epochs.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    pictures = np.rint(digits.images * 255 / 16).astype(np.uint8)
    parts = train_test_split(pictures, digits.target, test_size=HELD_OUT, stratify=digits.target, random_state=seed)
    x, held_out_x = (torch.from_numpy(part).float()[:, None] / 255 for part in parts[:2])
    y, held_out_y = map(torch.from_numpy, parts[2:])
    accuracies, steps = {}, epochs * -(-len(x) // BATCH)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = {"cnn": _new_cnn(), "vit": _new_vit()}
        for name, network in networks.items():
            batches = (
                (x[rows], y[rows]) for rows in shuffled(len(x), BATCH, progress(range(epochs), f"Training {name}"))
            )
            held_out = held_out_x, held_out_y
            accuracies[name] = train_classifier(
                network, network, batches, held_out, steps, rate=3e-3, weight_decay=0.05
            )
    return Demo(networks, accuracies, parts[1], parts[3])


def _new_cnn() -> nn.Module:
    convolution = partial(nn.Conv2d, kernel_size=3, padding=1)
    layers = [convolution(1, 16), nn.ReLU(), convolution(16, 32), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * (SIZE // 2) ** 2, len(CLASSES)))


def _new_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        image_size=SIZE,
        patch_size=2,
        num_channels=1,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
    )
    return ViTForImageClassification(config)
