"""Relevance drawn: red for, blue against, white none, scaled to the largest amount and symmetric about 0."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ..domain.page import DIVERGING

SIZE, DPI = 224, 100  # pixels of the longer side of a panel, and per inch
GAP, BAR, NUMBERS = 0.1, 0.12, 0.75  # inches: between panels, of the colour bar, of its numbers


def figure_of(pixels: np.ndarray, picture: np.ndarray, *, over: bool = False, size: int | None = None) -> Figure:
    """Return a figure of relevance, H x W, beside a picture, H x W x 3, or over it in grey, with a colour bar."""
    scale = (size or SIZE) / max(pixels.shape) / DPI
    width, height = (max(0.3, scale * side) for side in pixels.shape[::-1])
    lefts, whole = (np.arange(1 if over else 2) * (width + GAP)), (width + GAP) * (1 if over else 2) + BAR + NUMBERS
    figure = Figure((whole, height + 2 * GAP), dpi=DPI)
    bottom, top = GAP / (height + 2 * GAP), height / (height + 2 * GAP)
    panels = [figure.add_axes((left / whole, bottom, width / whole, top), frame_on=False) for left in lefts]
    limit, opacity = float(np.abs(pixels).max()) or 1.0, None
    if over:
        panels[0].imshow(np.asarray(Image.fromarray(picture).convert("L")), cmap="gray", vmin=-383, vmax=255)  # light
        opacity = np.abs(pixels) / limit
    else:
        panels[0].imshow(picture)
    panels[-1].imshow(pixels, cmap=DIVERGING, vmin=-limit, vmax=limit, alpha=opacity)
    for panel in panels:
        panel.set(xticks=[], yticks=[], aspect="auto")
    bar = figure.add_axes((lefts[-1] / whole + (width + GAP) / whole, bottom, BAR / whole, top), frame_on=False)
    bar.imshow(np.linspace(limit, -limit, 256)[:, None], cmap=DIVERGING, aspect="auto", extent=(0, 1, -limit, limit))
    bar.set(xticks=[], yticks=[-limit, 0, limit], yticklabels=[f"{-limit:+.2g}", "0", f"{limit:+.2g}"])
    bar.yaxis.tick_right()
    return figure
