"""Pictures from files, PIL images and arrays, as PIL images: upright, opaque, 8 bits per channel, in colour or grey."""

from collections.abc import Iterable, Mapping
from io import IOBase
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
    if not isinstance(pictures, Iterable) or isinstance(pictures, bytes | IOBase | Mapping):
        raise DomainError(
            f"a picture is a path, PIL image, array or tensor, not {type(pictures).__name__}; for an open file or "
            "bytes, pass what PIL.Image.open returns"
        )
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
    notes: tuple[str, ...] = ()
    if isinstance(picture, np.ndarray):
        image = _of_array(picture, name)
    elif isinstance(picture, Image.Image):
        image = picture
        try:
            image.load()  # a picture that was opened is read when it is needed
        except Exception as error:  # as of a file, below
            raise DomainError(f"'{name}' could not be read: {reason(error)}") from error
    elif isinstance(picture, str) and "://" in picture:
        raise DomainError(f"'{picture}' is an address, and nothing is downloaded: pass a file")
    elif isinstance(picture, str | Path):
        image, notes = open_picture(Path(picture))
    else:
        raise DomainError(f"'{name}' is a {type(picture).__name__}: pass a file, PIL image, array or tensor")
    if 0 in image.size:
        raise DomainError(f"'{name}' has size 0: {image.width} x {image.height} pixels")

    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        image = _of_deep(np.asarray(image), name)
    try:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except ValueError:
        raise DomainError(f"'{name}' has mode {image.mode}, which Pillow does not convert: pass it as RGB") from None
    if image.mode == "RGBA":
        if image.getchannel("A").getextrema()[0] < 255:
            notes += ("transparent parts were put on white",)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB").convert(mode), notes


def open_picture(path: Path) -> tuple[Image.Image, tuple[str, ...]]:
    """Return the picture in a file as it is, and notes on what was left out."""
    if path.is_dir():
        raise DomainError(f"'{path}' is a folder: pass its pictures, or explain it as a set, to a table")
    if not path.is_file():
        raise DomainError(f"there is no file '{path}'")
    if not path.stat().st_size:
        raise DomainError(f"'{path}' is empty, 0 bytes")
    try:
        with Image.open(path) as image:
            # A JPEG of several frames (MPO) is one photograph with previews. Counting seeks, so it comes first.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            image.load()
            return image, () if frames == 1 else ("of several frames, only the first was read",)
    except Image.UnidentifiedImageError:
        raise DomainError(f"'{path}' is not a picture that Pillow can read; convert it to .png") from None
    except Image.DecompressionBombError as error:
        raise DomainError(f"'{path}' is too large: {reason(error)}; see PIL.Image.MAX_IMAGE_PIXELS") from error
    except Exception as error:  # whatever a damaged file makes Pillow raise, such as IndexError
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
    elif array.dtype == np.bool_:  # black and white
        array = np.where(array, np.uint8(255), np.uint8(0))
    elif array.dtype == np.uint16:
        array = _in_8_bits(array)
    elif array.dtype != np.uint8:
        raise DomainError(f"'{name}' is an array of {array.dtype}: pass uint8, or floats in [0, 1]")
    if not array.size:
        raise DomainError(f"'{name}' has size 0: shape {array.shape}")
    return Image.fromarray(array[:, :, 0] if array.shape[2:] == (1,) else array)


def _of_deep(values: np.ndarray, name: str) -> Image.Image:
    """Return a picture of 16 bits per pixel in 8 bits; those of 32 bits may hold 16, but not up to 255, or even 8."""
    holds_16 = values.dtype.itemsize == 2 or (values.dtype.kind == "i" and (not values.any() or values.max() > 255))
    if not holds_16 or values.min() < 0 or values.max() > 65535:
        raise DomainError(f"'{name}' has {values.dtype} pixels of unknown range: pass it as an array in [0, 1]")
    return Image.fromarray(_in_8_bits(values))


def _in_8_bits(values: np.ndarray) -> np.ndarray:
    return np.rint(values / 257).astype(np.uint8)
