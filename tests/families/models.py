"""Models of timm, torchvision and diffusers: random, small, without code for any single one.

A model is built from its options, parameters that are zero are drawn at random, and it gets a batch of two rows.

    case = build("timm/test_nfnet")
    scores = forward(case.model, case.inputs)  # one per row
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor, nn

from .diffusion import DIFFUSERS
from .packages import package
from .pictures import SHAPES, SIDE, TIMM, TORCHVISION

NAMES = [
    *(f"timm/{name}" for name in TIMM),
    *(f"torchvision/{name}" for name in TORCHVISION),
    *(f"diffusers/{name}" for name in DIFFUSERS),
]
CLASSES = 5


@dataclass(frozen=True)
class Case:
    """A model in eval mode and float64, and a batch of two rows for it; floating-point inputs require grad."""

    name: str
    model: nn.Module
    inputs: tuple[Tensor, ...]


def make(name: str) -> nn.Module:
    family, _, name = name.partition("/")
    if family == "timm":
        return package("timm").create_model(name, num_classes=CLASSES, **TIMM[name])
    if family == "torchvision":
        return attrgetter(name)(package("torchvision.models"))(num_classes=CLASSES, **TORCHVISION[name])
    diffuser = DIFFUSERS[name]
    return getattr(package("diffusers"), diffuser.kind)(**diffuser.options)


def shapes(name: str) -> tuple[tuple[int, ...], ...]:
    family, _, short = name.partition("/")
    return DIFFUSERS[short].shapes if family == "diffusers" else (SHAPES.get(name, (2, 3, SIDE, SIDE)),)


@torch.no_grad()
def redraw(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draw weights that are zero, or nearly, at random; add noise to biases, scales and running statistics."""
    for parameter in model.parameters():
        if parameter.ndim < 2 or parameter.numel() == max(parameter.shape):
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        elif parameter.abs().max() < 1e-3:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5)
        parameter.requires_grad_(True)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(torch.rand(buffer.shape, generator=generator), alpha=0.1)
    return model.eval().double()


def build(name: str) -> Case:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make(name)
    generator = torch.Generator().manual_seed(0)
    redraw(model, generator)
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes(name)]
    diffuser = DIFFUSERS.get(name.removeprefix("diffusers/"))
    if diffuser and diffuser.timed:
        inputs.insert(1, torch.tensor([3, 7]))
    if diffuser and diffuser.labels:
        inputs.append(torch.tensor([1, 4]))
    return Case(name, model, tuple(inputs))


def first(output: object) -> Tensor:
    """Return the first tensor of a model's output."""
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    return output


def forward(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return the second number of each row's output: the score of class 1, or of a pixel."""
    return first(model(*inputs)).flatten(1)[:, 1]
