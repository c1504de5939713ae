"""Small classifiers: trained in a minute, and saved so that they load without code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..domain.models.known import DECLARATION


def train_classifier(
    network: nn.Module,
    forward: Callable[[Any], Any],
    batches: Iterable[tuple[Any, Tensor]],
    held_out: tuple[Any, Tensor],
    steps: int,
    *,
    rate: float,
    weight_decay: float,
) -> float:
    """Train a network by AdamW, with a learning rate that rises to `rate` and falls again; leave it in eval mode.

    Parameters
    ----------
    network
        The network.
    forward
        From inputs to logits, N x classes, or to an object that has them.
    batches
        Inputs, and the number of the class of each.
    held_out
        The same, of samples to test the trained network on.
    steps
        Number of batches.
    rate, weight_decay
        Of the optimizer.

    Returns
    -------
    The share of the held-out samples that are predicted correctly.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    network.train()
    for inputs, labels in batches:
        optimizer.zero_grad()
        cross_entropy(_logits(forward(inputs)), labels).backward()
        optimizer.step()
        schedule.step()
    network.eval()
    inputs, labels = held_out
    with torch.no_grad():
        predicted = _logits(forward(inputs)).argmax(1)
    return float((predicted == labels).double().mean())


def shuffled(count: int, size: int, epochs: Iterable[int]) -> Iterator[Tensor]:
    """Return the numbers of the samples of each batch, in a new order for each epoch."""
    for _ in epochs:
        yield from torch.randperm(count).split(size)


def _logits(outputs: Any) -> Tensor:
    return getattr(outputs, "logits", outputs)


def save_network(network: nn.Module, example: Tensor, folder: Path, unit: str, **declared: Any) -> None:
    """Export a network to a new folder, with its declaration.

    Parameters
    ----------
    network
        The network.
    example
        At least two samples that it reads.
    folder
        The folder to write.
    unit
        What samples are called, in the plural.
    declared
        The domain's own keys.
    """
    folder.mkdir(parents=True)
    shapes = ({0: torch.export.Dim(unit, min=1)},)
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=shapes), folder / "network.pt2")
    # JSON is YAML.
    (folder / DECLARATION).write_text(json.dumps({"network": "network.pt2"} | declared))
