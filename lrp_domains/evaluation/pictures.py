"""What pictures score without some of their pixels, patches or segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..domain import DomainError


@dataclass(frozen=True)
class RemovablePixels:
    """Pictures whose pixels can be removed, alone or as patches or segments: a `lrp_domains.evaluation.Predict`.

    Attributes
    ----------
    score
        ``score(pictures, samples)`` returns one score per picture, samples x channels x height x width, and gets the
        numbers of the samples, such as to score each for its own class. It runs without gradients.
    pictures
        Samples x channels x height x width.
    removed
        What removed pixels are read as, of the shape of the pictures: `blurred`, `channel_means`, or any others.
        **State it with the result**, as methods that compare with it have an advantage.
    units
        Which unit each pixel belongs to, height x width, numbered from 0: `patches`, or the segments of a mask; or one
        such array per picture.
    batch_size
        How many pictures are scored at a time.
    """

    score: Callable[[Tensor, np.ndarray], Tensor] = field(repr=False)
    pictures: Tensor = field(repr=False)
    removed: Tensor = field(repr=False)
    units: Tensor = field(repr=False)
    batch_size: int = 256

    def __post_init__(self) -> None:
        _check_pictures(self.pictures)
        if self.removed.shape != self.pictures.shape:
            raise DomainError(
                f"removed has shape {tuple(self.removed.shape)}, the pictures {tuple(self.pictures.shape)}: they must "
                "agree"
            )
        _units_of_each(self.units, self.pictures)

    @torch.no_grad()
    def __call__(self, samples: np.ndarray, kept: list[np.ndarray]) -> np.ndarray:
        """Return the score of each row: the picture of a number, with the units that are kept."""
        units, device = _units_of_each(self.units, self.pictures), self.pictures.device
        scores = []
        for start in range(0, len(samples), self.batch_size):
            numbers = samples[start : start + self.batch_size]
            rows = zip(numbers.tolist(), kept[start : start + self.batch_size], strict=True)
            stays = torch.stack([torch.as_tensor(mask, device=device)[units[number]] for number, mask in rows])
            rows = torch.as_tensor(numbers, device=device)
            pictures = torch.where(stays[:, None], self.pictures[rows], self.removed[rows])
            scores.append(self.score(pictures, numbers).detach().double().cpu().numpy())
        return np.concatenate(scores)


def patches(height: int, width: int, size: int = 1) -> Tensor:
    """Return which patch each pixel belongs to, height x width: squares of ``size`` pixels from the upper left, in
    rows; those at the right and the lower edge may be smaller. Size 1: pixels."""
    if min(height, width, size) < 1:
        raise DomainError(f"patches of {size} pixels in {height} x {width}: pass whole numbers from 1")
    down, across = torch.arange(height) // size, torch.arange(width) // size
    return down[:, None] * (across[-1] + 1) + across


def in_units(relevance: Tensor, units: Tensor) -> list[np.ndarray]:
    """Return the relevance of each picture's units, the sum over their pixels and channels.

    Parameters
    ----------
    relevance
        Samples x channels x height x width.
    units
        As in `RemovablePixels`.
    """
    _check_pictures(relevance)
    pixels = relevance.detach().double().sum(1).cpu().numpy()
    return [
        np.bincount(of.numpy().ravel(), values.ravel())
        for of, values in zip(_units_of_each(units.cpu(), relevance), pixels, strict=True)
    ]


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Return pictures blurred by a Gaussian of a standard deviation in pixels, which should exceed what matters.

    Beyond their edges pictures are mirrored. It is `scipy.ndimage.gaussian_filter`, in the precision and on the device
    of the pictures, in single precision if they have half.
    """
    from scipy.ndimage import gaussian_filter1d

    _check_pictures(pictures)
    x = pictures.detach().to(torch.promote_types(pictures.dtype, torch.float32))
    # A filter along an axis is a product with the filtered unit vectors.
    rows, columns = (torch.from_numpy(gaussian_filter1d(np.eye(size), sigma, axis=0)).to(x) for size in x.shape[2:])
    return (rows @ x @ columns.mT).to(pictures)


def channel_means(pictures: Tensor) -> Tensor:
    """Return pictures that have the mean over all pixels of each channel of a picture everywhere."""
    _check_pictures(pictures)
    return pictures.detach().mean((2, 3), keepdim=True).expand_as(pictures).contiguous()


def _check_pictures(pictures: Tensor) -> None:
    if pictures.ndim != 4:
        raise DomainError(f"got shape {tuple(pictures.shape)}: pass pictures, samples x channels x height x width")


def _units_of_each(units: Tensor, pictures: Tensor) -> Tensor:
    """Return the units of each picture, samples x height x width."""
    samples, _, *size = pictures.shape
    if list(units.shape) not in ([*size], [samples, *size]) or units.is_floating_point() or bool((units < 0).any()):
        raise DomainError(
            f"units of type {units.dtype} and shape {tuple(units.shape)} for {samples} pictures of {size[0]} x "
            f"{size[1]}: pass the number of a unit from 0 for each pixel"
        )
    return units.to(pictures.device).expand(samples, *size)
