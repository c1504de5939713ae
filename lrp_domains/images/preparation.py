"""Pictures as tensors that a model reads, and references in such tensors, such as a blurred picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..domain import DomainError, choices, reason
from ..evaluation.pictures import blurred
from .pictures import Picture, read_picture

PROBE = 64  # height and width of the pictures that show what black and white become


@dataclass(frozen=True)
class Preparation:
    """How pictures become tensors, by a `transform` of PIL images of a `mode`; see `ImageExplainer`."""

    transform: Callable[[Image.Image], Any] | None
    mode: str

    def tensor(self, picture: Picture, name: str) -> tuple[Tensor, tuple[str, ...]]:
        """Return a picture as the model reads it, C x H x W, and notes; a tensor is taken to be transformed already."""
        if not isinstance(picture, Tensor):
            image, notes = read_picture(picture, self.mode, name)
            return self._transformed(image, name), notes
        if picture.ndim != 3 or not picture.numel() or not picture.is_floating_point():
            raise DomainError(
                f"'{name}' is a tensor of {picture.dtype} and shape {tuple(picture.shape)}; a tensor is what the model "
                "reads, floats, C x H x W, or N of them: pass an array to have it transformed"
            )
        if not torch.isfinite(picture).all():
            raise DomainError(f"'{name}' has values that aren't finite, NaN or infinite: replace them")
        return picture.detach(), ()

    def _transformed(self, image: Image.Image, name: str) -> Tensor:
        if self.transform is None:
            return torch.from_numpy(np.atleast_3d(np.asarray(image, np.float32) / 255)).permute(2, 0, 1).contiguous()
        try:
            made = self.transform(image)
            made = torch.as_tensor(made["pixel_values"][0] if isinstance(made, Mapping) else made).detach()
        except Exception as error:  # whatever the user's function raises
            raise DomainError(
                f"'{name}' could not be transformed, as a picture of mode {self.mode}, to a tensor: {reason(error)}"
            ) from error
        if made.ndim != 3 or not made.is_floating_point():
            shown = f"{made.dtype} and shape {tuple(made.shape)}"
            raise DomainError(f"the transform returned a tensor of {shown}; expected floats, C x H x W")
        return made

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask of a picture as the model sees it; see `ImageExplainer.as_seen`."""
        if self.transform is None:
            return mask
        numbers, places = np.unique(mask, return_inverse=True)

        def transformed(values: np.ndarray) -> Tensor:
            image = Image.fromarray(np.uint8(255) * values.reshape(mask.shape).astype(np.uint8))
            return self._transformed(image.convert(self.mode), "the mask")[0]

        black, white = (transformed(np.full(mask.shape, value)) for value in (0, 1))
        contrast = white - black  # none where the transform adds pixels around the picture
        if not contrast.any():
            raise DomainError("the transform makes black and white the same, so that it shows no mask: pass another")
        # The share of each segment in a pixel: between two, the larger takes it.
        shares = torch.stack([(transformed(places == place) - black) * contrast for place in range(len(numbers))])
        inside = contrast.abs() > contrast.abs().max() / 2
        return np.where(inside.numpy(), numbers[shares.argmax(0).numpy()], numbers.dtype.type(0))

    def black_and_white(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what black and white are in tensors such as `x`, C x 1 x 1: between them are all pictures."""
        if self.transform is not None:
            return self._black_and_white
        if x.min() < 0 or x.max() > 1:
            raise DomainError(
                "what black and white are is unknown: pass the transform, or tensors in [0, 1] without one"
            )
        return torch.zeros(x.shape[-3], 1, 1), torch.ones(x.shape[-3], 1, 1)

    @cached_property
    def _black_and_white(self) -> tuple[Tensor, Tensor]:
        plain = [Image.new(self.mode, (PROBE, PROBE), colour) for colour in ("black", "white")]
        made = [self._transformed(image, "a plain picture") for image in plain]
        # The transform may have padded the pictures, but not at the centre.
        black, white = (x[:, x.shape[1] // 2, x.shape[2] // 2, None, None] for x in made)
        if (black == white).any():
            raise DomainError("the transform makes black and white the same: pass another")
        return black, white

    def displayed(self, x: Tensor) -> np.ndarray:
        """Return what the model saw as a picture, H x W x 3, uint8; from its own extremes where black is unknown."""
        x = x.float().cpu()
        try:
            black, white = self.black_and_white(x)
        except DomainError:
            black, white = x.min(), x.max() + 1e-12
        shares = ((x - black) / (white - black)).clamp(0, 1)
        shares = shares if len(x) == 3 else shares.mean(0, keepdim=True).expand(3, -1, -1)
        return (255 * shares).round().byte().permute(1, 2, 0).numpy()

    def references(self, reference: Any, x: Tensor) -> Tensor:
        """Return the references of some inputs, N x C x H x W, as K x N x C x H x W."""
        if isinstance(reference, Tensor) and reference.ndim == 4:
            reference = list(reference)
        several = reference if isinstance(reference, list | tuple) else [reference]
        if not several:
            raise DomainError("the list of references is empty: name one, or leave it out")
        return torch.stack([self._reference(one, x) for one in several])

    def _reference(self, reference: str | Picture, x: Tensor) -> Tensor:
        if isinstance(reference, str) and reference in REFERENCES:
            return REFERENCES[reference](self, x).to(x).expand_as(x)
        if isinstance(reference, str) and not Path(reference).suffix:
            raise DomainError(f"unknown reference '{reference}'; {choices(reference, REFERENCES)}")
        made, _ = self.tensor(reference, "the reference")
        if made.shape != x.shape[1:]:
            shapes = f"{tuple(made.shape)}, but the pictures have {tuple(x.shape[1:])}"
            raise DomainError(f"the reference has shape {shapes}: resize it")
        return made.to(x).expand_as(x)


REFERENCES = {
    "black": lambda preparation, x: preparation.black_and_white(x)[0],
    "white": lambda preparation, x: preparation.black_and_white(x)[1],
    "blur": lambda preparation, x: blurred(x, min(x.shape[-2:]) / 8),
    "mean": lambda preparation, x: x.mean((2, 3), keepdim=True),  # of each picture and channel
}
