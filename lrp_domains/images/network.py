"""Image models: how they are run, what they read, and how they are loaded."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import LrpError
from ..domain import DomainError, Read, device_of, reason

DECLARATION = "model.yaml"  # in the folder of a declared model
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


def declaration_of(name: str | Path) -> Path | None:
    """Return the declaration, ``.yaml``, of a model that is one or a folder with one; None for other models."""
    path = Path(name) / DECLARATION if Path(name).is_dir() else Path(name)
    return path if path.suffix in (".yaml", ".yml") and path.is_file() else None


def load(
    name: str | Path, texts: Sequence[str] | None, device: Any, *, allow_pickle: bool = False, **options: Any
) -> dict[str, Any]:
    """Return the arguments of `ImageExplainer` for a model of transformers, or a declared one, in eval mode."""
    from ..domain.models.pretrained import preprocessing, pretrained

    if (path := declaration_of(name)) is not None:
        if texts is not None:
            raise DomainError(f"texts= are for models of transformers such as CLIP, but '{path}' declares a network")
        return _declared(path, device, {"allow_pickle": allow_pickle, "allow_code": options["allow_code"]})
    # PIL resizes, whether torchvision is there or not: the two differ.
    processor = preprocessing("AutoImageProcessor", name, backend="pil", **options)
    if texts is None:
        options |= {"device": device, "purpose": "image classification"}
        return {"model": pretrained("AutoModelForImageClassification", name, **options), "transform": processor}
    tokenizer = preprocessing("AutoTokenizer", name, **options)
    model = pretrained("AutoModel", name, device=device, **options)
    padding = "max_length" if "siglip" in model.config.model_type else True  # as it was trained
    tokens = tokenizer(list(texts), padding=padding, truncation=True, return_tensors="pt")
    return {"model": AmongTexts(model, tokens).eval(), "transform": processor, "classes": tuple(texts)}


def _declared(path: Path, device: Any, consent: Mapping[str, bool]) -> dict[str, Any]:
    from ..domain.models.declaration import read_declaration
    from ..domain.models.network import declared_network

    declared = read_declaration(path, SCHEMA)
    network = declared_network(declared, path, **consent, unit="pictures").to(device_of(device))
    arguments = {"model": network, "classes": declared.get("classes"), "mode": declared.get("mode")}
    if "processor" in declared:
        from transformers import ViTImageProcessorPil

        arguments["transform"] = ViTImageProcessorPil(**declared["processor"])
    return arguments
