"""Image models: how they are run, what they read, and how they are loaded."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import LrpError
from ..domain import DomainError, Read, load_declared, preprocessing, pretrained, reason

SCHEMA = resources.files(__package__).joinpath("model.schema.yaml")


def read(model: nn.Module, x: Tensor) -> Read[Tensor]:
    """Run a model on pictures, N x C x H x W; units are the channels of pixels."""
    x = x if x.requires_grad else x.detach().requires_grad_()
    try:
        outputs = model(x)
    except (LrpError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the model's code raises
        raise DomainError(
            f"the model could not read pictures of {' x '.join(map(str, x.shape[1:]))} (channels x height x width): "
            f"{reason(error)}; pass the transform that it was trained with, and mode='L' if it reads grey pictures"
        ) from error
    return Read(outputs, (x,), lambda relevance: relevance[0])


def mode_of(model: nn.Module) -> str:
    """Return whether a model reads grey pictures (``"L"``) or colours (``"RGB"``), by its first convolution."""
    channels = next((weight.shape[1] for weight in model.parameters() if weight.ndim == 4), 3)
    return "L" if channels == 1 else "RGB"


class AmongTexts(nn.Module):
    """The image side of CLIP or its kin as a classifier, whose classes are texts, given by their tokens."""

    def __init__(self, model: nn.Module, tokens: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.model, self.tokens = model, dict(tokens)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return the logit of each text for each picture."""
        tokens = {name: values.to(pixel_values.device) for name, values in self.tokens.items()}
        return self.model(pixel_values=pixel_values, **tokens).logits_per_image


def load(
    name: str | Path, texts: Sequence[str] | None, device: Any, *, allow_pickle: bool = False, **options: Any
) -> dict[str, Any]:
    """Return the arguments of `ImageExplainer` for a model of transformers, or a declared one, in eval mode."""
    consent = {"allow_pickle": allow_pickle, "allow_code": options["allow_code"]}
    declared = load_declared(name, SCHEMA, unit="pictures", device=device, **consent)
    if declared is not None:
        if texts is not None:
            raise DomainError(f"texts= are for models of transformers such as CLIP, but '{name}' declares a network")
        return _with_transform(declared)
    if isinstance(texts, str) or (texts is not None and not len(texts)):
        raise DomainError(f"texts={texts!r}: pass a list of texts, which are the classes")
    # PIL resizes, whether torchvision is there or not: the two differ.
    processor = preprocessing("AutoImageProcessor", name, backend="pil", **options)
    if texts is None:
        options |= {"device": device, "purpose": "image classification (CLIP and its kin: pass texts=, --text)"}
        return {"model": pretrained("AutoModelForImageClassification", name, **options), "transform": processor}
    tokenizer = preprocessing("AutoTokenizer", name, **options)
    model = pretrained("AutoModel", name, device=device, **options)
    padding = "max_length" if "siglip" in model.config.model_type else True  # as it was trained
    tokens = tokenizer(list(texts), padding=padding, truncation=True, return_tensors="pt")
    return {"model": AmongTexts(model, tokens).eval(), "transform": processor, "classes": tuple(texts)}


def _with_transform(declared: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `ImageExplainer`: the declared processor is the transform."""
    if (processor := declared.pop("processor", None)) is None:
        return declared
    from transformers import ViTImageProcessorPil

    return declared | {"transform": ViTImageProcessorPil(**processor)}
