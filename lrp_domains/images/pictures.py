"""Pictures from files, PIL images and arrays, as PIL images: upright, opaque, 8 bits per channel, in colour or grey."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from ..domain import DomainError, reason

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
Picture = str | Path | Image.Image | np.ndarray | Tensor


def separate(pictures: Any) -> tuple[list[Picture], bool]:
    """Return pictures one by one, and whether a single one was passed."""
    if isinstance(pictures, str | Path | Image.Image) or getattr(pictures, "ndim", 4) < 4:
        return [pictures], True
    if not isinstance(pictures, Iterable):
        raise DomainError(f"a picture is a file, PIL image, array or tensor, not {type(pictures).__name__}")
    if not (several := list(pictures)):
        raise DomainError("there are no pictures to explain")
    return several, False


def name_of(picture: Picture, number: int) -> str:
    """Return the name of a picture: its file, or its number."""
    return str(picture) if isinstance(picture, str | Path) else f"picture {number}"


def read_picture(picture: Picture, mode: str, name: str) -> tuple[Image.Image, tuple[str, ...]]:
    """Return a picture as a PIL image of a mode, ``"RGB"`` or ``"L"`` (grey), and notes on what it lost.

    Of an animation that is the first frame. Raise `DomainError`, with its name, for one that can't be read.
    """
    if isinstance(picture, np.ndarray):
        image = _of_array(picture, name)
    elif isinstance(picture, Image.Image):
        image = picture
    elif isinstance(picture, str | Path):
        image = _of_file(Path(picture))
    else:
        raise DomainError(f"'{name}' is a {type(picture).__name__}: pass a file, PIL image, array or tensor")
    if 0 in image.size:
        raise DomainError(f"'{name}' has size 0: {image.width} x {image.height} pixels")

    image, notes = ImageOps.exif_transpose(image), ()
    if image.mode == "F" or image.mode.startswith("I"):
        image = _of_deep(np.asarray(image), name)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            notes = ("transparent parts were put on white",)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert("RGB").convert(mode), notes


def _of_file(path: Path) -> Image.Image:
    if not path.is_file():
        raise DomainError(f"there is no file '{path}'")
    if not path.stat().st_size:
        raise DomainError(f"'{path}' is empty, 0 bytes")
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except Image.UnidentifiedImageError:
        raise DomainError(f"'{path}' is not a picture that Pillow can read; convert it to .png") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DomainError(f"'{path}' could not be read, it is damaged or cut off: {reason(error)}") from error


def _of_array(array: np.ndarray, name: str) -> Image.Image:
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] not in (1, 3, 4)):
        raise DomainError(f"'{name}' has shape {array.shape}; an array is H x W, or H x W x C with 1, 3 or 4 channels")
    if np.issubdtype(array.dtype, np.floating):
        if not ((array >= 0) & (array <= 1)).all():  # NaN is neither
            raise DomainError(
                f"'{name}' has floats from {array.min():g} to {array.max():g}: pass floats in [0, 1], uint8, or, for "
                "what a model reads as it is, a tensor"
            )
        array = np.rint(255 * array).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise DomainError(f"'{name}' is an array of {array.dtype}: pass uint8, or floats in [0, 1]")
    if not array.size:
        raise DomainError(f"'{name}' has size 0: shape {array.shape}")
    return Image.fromarray(array[:, :, 0] if array.shape[2:] == (1,) else array)


def _of_deep(values: np.ndarray, name: str) -> Image.Image:
    """Return a picture of 16 bits per pixel in 8 bits."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise DomainError(f"'{name}' has {values.dtype} pixels of unknown range: pass it as an array in [0, 1]")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))
