"""Relevance drawn: red for, blue against, white none, scaled to the largest amount and symmetric about 0."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ..domain.page import DIVERGING

SIZE, DPI = 224, 100  # pixels of the longer side of a panel, and per inch
BAR = 0.75  # inches of the colour bar with its numbers


def figure_of(pixels: np.ndarray, picture: np.ndarray, *, over: bool = False, size: int | None = None) -> Figure:
    """Return a figure of relevance, H x W, beside a picture, H x W x 3, or over it in grey, with a colour bar."""
    scale = (size or SIZE) / max(pixels.shape) / DPI
    width, height = (max(0.3, scale * side) for side in pixels.shape[::-1])
    figure = Figure((width * (1 if over else 2) + BAR, max(height, 0.8)), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 1 if over else 2, squeeze=False)[0]
    limit, opacity = float(np.abs(pixels).max()) or 1.0, None
    if over:
        panels[0].imshow(np.asarray(Image.fromarray(picture).convert("L")), cmap="gray", vmin=-383, vmax=255)  # light
        opacity = np.abs(pixels) / limit
    else:
        panels[0].imshow(picture)
    drawn = panels[-1].imshow(pixels, cmap=DIVERGING, vmin=-limit, vmax=limit, alpha=opacity)
    for panel in panels:
        panel.set_axis_off()
    bar = figure.colorbar(drawn, ax=panels[-1], ticks=[-limit, 0, limit], format="%+.2g", aspect=15)
    bar.solids.set_alpha(1)
    bar.outline.set_visible(False)
    return figure
