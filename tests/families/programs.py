"""Models to export and decompose: the zoo's plain ones, some of transformers and some of the other families."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ..architectures import zoo
from . import models
from .packages import package

PLAIN = list(zoo.PLAIN)
TRANSFORMERS = ["bert", "causal/mamba", "image/swin", "image/vit", "llama", "modernbert"]
OTHERS = [
    "diffusers/condition",
    "diffusers/unet",
    "timm/test_coatnet",
    "timm/test_efficientnet_evos",
    "timm/test_nfnet",
    "timm/test_vit3",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/squeezenet1_1",
]
NAMES = [*PLAIN, *TRANSFORMERS, *OTHERS]


class Scores(nn.Module):
    """A model as a function from floating-point tensors to the score of class 1, one per row."""

    def __init__(self, model: nn.Module, call: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.call = model, call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(self.model, *inputs)[:, 1]


def of_pictures(model: nn.Module, pixels: Tensor) -> Tensor:
    return model(pixel_values=pixels).logits


def of_embeddings(model: nn.Module, embeddings: Tensor) -> Tensor:
    logits = model(inputs_embeds=embeddings).logits
    return logits if logits.ndim == 2 else logits[:, -1]


def of_states(model: nn.Module, embeddings: Tensor) -> Tensor:
    states, _ = model.recurrent(embeddings)
    return model.classifier(states[:, -1])


def build(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a module that computes one score per row, and its inputs."""
    if name in OTHERS:
        case = models.build(name)
        return Scores(case.model, lambda model, *inputs: models.first(model(*inputs)).flatten(1)), case.inputs
    package("transformers")
    case = zoo.build(name)
    inputs = tuple(x.detach().requires_grad_() for x in zoo.forward(case).inputs)
    if name in PLAIN:
        call = of_states if "input_ids" in case.batch else nn.Module.__call__
    else:
        call = of_pictures if name.startswith("image/") else of_embeddings
    return Scores(case.model, call), inputs
