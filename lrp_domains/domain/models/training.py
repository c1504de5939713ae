"""Small networks of demos: trained in a minute, and saved so that they load without code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .known import DECLARATION


def fit(
    network: nn.Module,
    loss_of: Callable[[Any], Tensor],
    batches: Iterable[Any],
    steps: int,
    *,
    rate: float,
    weight_decay: float,
) -> None:
    """Train a network by AdamW, with a learning rate that rises to `rate` and falls again; leave it in eval mode.

    Parameters
    ----------
    network
        The network.
    loss_of
        From a batch to its loss.
    batches
        The batches, as many as `steps`.
    steps
        Number of batches.
    rate, weight_decay
        Of the optimizer.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    network.train()
    for batch in batches:
        optimizer.zero_grad()
        loss_of(batch).backward()
        optimizer.step()
        schedule.step()
    network.eval()


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
