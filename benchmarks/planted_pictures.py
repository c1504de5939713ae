"""Made pictures of which it is known where the class can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

SIDE = 32  # of shapes and textures, in pixels
GRID = 4  # of the centres of shapes, so that a small transformer learns them quickly
SHAPES = ("disc", "square", "triangle", "cross")
ORIENTATIONS = (0, 45, 90, 135)  # in degrees
# Of tetrominoes, as in XAI-TRIS: pictures of 8 x 8 pixels with a T at the upper left or an L at the lower right.
T = ((1, 1), np.array([[1, 0], [1, 1], [1, 0]], float))
L = ((4, 5), np.array([[1, 0], [1, 0], [1, 1]], float))


@dataclass(frozen=True)
class Planted:
    """Made pictures.

    Attributes
    ----------
    pictures
        Samples x channels x height x width.
    labels
        The number of each picture's class.
    truth
        The pixels in which the class can be seen, samples x height x width.
    box
        The least and the greatest value that a pixel can have.
    """

    pictures: Tensor
    labels: Tensor
    truth: np.ndarray
    box: tuple[float, float]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def shapes(count: int, seed: int) -> Planted:
    """Make coloured noise with one of four shapes, the class, and a ring, which all classes have. Their places (on a
    grid) and colours, and the size of the shape, are random."""
    random = np.random.default_rng(seed)
    pictures = random.normal(0.4, 0.12, (count, 3, SIDE, SIDE))
    labels, truth = np.arange(count) % len(SHAPES), np.zeros((count, SIDE, SIDE), bool)
    for picture, label, mask in zip(pictures, labels, truth, strict=True):
        radius = random.uniform(4, 5.5)
        centre, other = _apart(random, 6, 13)
        mask[:] = _shape(SHAPES[label], *_around(centre), radius)
        distance = np.hypot(*_around(other))
        for place in (mask, (distance < 4.5) & (distance > 2.5)):
            picture[:, place] += _colour(random)[:, None]
    return Planted(torch.tensor(pictures.clip(0, 1)).float(), torch.as_tensor(labels), truth, (0.0, 1.0))


def textures(count: int, seed: int) -> Planted:
    """Make smooth grey noise with a disc of stripes, whose orientation is the class; their place and phase are random,
    and the noise is as strong within."""
    random = np.random.default_rng(seed)
    pictures = np.empty((count, 1, SIDE, SIDE))
    labels, truth = np.arange(count) % len(ORIENTATIONS), np.zeros((count, SIDE, SIDE), bool)
    for picture, label, mask in zip(pictures, labels, truth, strict=True):
        noise = gaussian_filter(random.normal(size=(SIDE, SIDE)), 1)
        y, x = _around(random.uniform(7, SIDE - 7, 2))
        angle = np.deg2rad(ORIENTATIONS[label])
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / 4 + random.uniform(0, 2 * np.pi))
        mask[:] = np.hypot(y, x) < 6
        picture[0] = 0.5 + 0.12 * noise / noise.std() + 0.2 * mask * wave
    return Planted(torch.tensor(pictures.clip(0, 1)).float(), torch.as_tensor(labels), truth, (0.0, 1.0))


def tetrominoes(*, product: bool = False, smooth: bool = False, signal: float) -> Callable[[int, int], Planted]:
    """Return a function that makes pictures in the manner of XAI-TRIS (Clark et al. 2024, Mach. Learn. 113:6871,
    sec. 3): a T at one place or an L at another, the class, and noise.

    Either pattern is true in every picture, as its absence tells as much as its presence.

    Parameters
    ----------
    product
        Whether the pattern dampens the noise, ``(1 - s a) n``, instead of ``s a + (1 - s) n``. The class then changes
        no mean: no linear function of the pixels knows it.
    smooth
        Whether the noise is correlated among pixels (a Gaussian filter of 3 pixels): then pixels without any pattern
        help to remove the noise from those with one. They are suppressors, and no part of the truth.
    signal
        The s of both, between 0 and 1. Patterns and noise have the same norm over all pictures before.
    """

    def make(count: int, seed: int) -> Planted:
        random = np.random.default_rng(seed)
        labels, patterns = np.arange(count) % 2, np.zeros((2, 8, 8))
        for pattern, ((top, left), values) in zip(patterns, (T, L), strict=True):
            pattern[top : top + 3, left : left + 2] = values
        noise = random.normal(size=(count, 8, 8))
        if smooth:
            noise = gaussian_filter(noise, (0, 3, 3))
        noise /= np.sqrt((noise**2).mean())
        own = patterns[labels]
        norm = np.sqrt((own**2).mean())
        pictures = (1 - signal * own) * noise if product else signal * own / norm + (1 - signal) * noise
        pictures /= np.abs(pictures).max()
        truth = np.broadcast_to(patterns.any(0), (count, 8, 8)).copy()
        return Planted(torch.tensor(pictures[:, None]).float(), torch.as_tensor(labels), truth, (-1.0, 1.0))

    return make


def _around(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each pixel is below and to the right of a centre."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return y - centre[0], x - centre[1]


def _apart(random: np.random.Generator, margin: float, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw two places on the grid that are within a margin and at least a distance apart."""
    places = np.arange(GRID, SIDE, GRID)
    places = places[(places >= margin) & (places <= SIDE - margin)]
    while True:
        one, other = random.choice(places, (2, 2))
        if np.hypot(*(one - other)) >= distance:
            return one, other


def _shape(name: str, y: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    if name == "disc":
        return np.hypot(y, x) < radius
    if name == "square":
        return np.maximum(abs(y), abs(x)) < 0.88 * radius
    if name == "triangle":
        return (y < 0.8 * radius) & (y > 2 * abs(x) - radius)
    return (np.minimum(abs(y), abs(x)) < 0.35 * radius) & (np.maximum(abs(y), abs(x)) < 1.15 * radius)


def _colour(random: np.random.Generator) -> np.ndarray:
    """Draw how much each channel is above the background, at least one of them well."""
    colour = random.uniform(0, 0.4, 3)
    colour[random.integers(3)] = 0.45
    return colour
