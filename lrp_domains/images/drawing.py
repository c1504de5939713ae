"""Relevance drawn: red for, blue against, white none, on a scale symmetric about 0."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ..domain.page import DIVERGING

SIZE, DPI = 224, 100  # pixels of the longer side of a panel, and per inch
GAP, BAR, NUMBERS = 0.1, 0.12, 1.0  # inches: between panels, of the colour bar, of its numbers
FULL = 0.995  # the share of pixels below full colour: a single one, far above all others, would make them white


def figure_of(pixels: np.ndarray, picture: np.ndarray, *, over: bool = False, size: int | None = None) -> Figure:
    """Return a figure of relevance, H x W, beside a picture, H x W x 3, or over it in grey, with a colour bar."""
    scale = (size or SIZE) / max(pixels.shape) / DPI
    width, height = (max(0.3, scale * side) for side in pixels.shape[::-1])
    lefts, whole = (np.arange(1 if over else 2) * (width + GAP)), (width + GAP) * (1 if over else 2) + BAR + NUMBERS
    figure = Figure((whole, height + 2 * GAP), dpi=DPI)
    bottom, top = GAP / (height + 2 * GAP), height / (height + 2 * GAP)
    panels = [figure.add_axes((left / whole, bottom, width / whole, top), frame_on=False) for left in lefts]
    amounts, opacity = np.abs(pixels), None
    largest = float(amounts.max()) or 1.0
    limit = float(np.quantile(amounts, FULL, method="higher")) or largest
    # Between pixels, relevance for and against must not blend.
    shown = {"interpolation": "nearest" if scale * DPI >= 1 else "antialiased"}
    if over:
        grey = np.asarray(Image.fromarray(picture).convert("L"))
        panels[0].imshow(grey, cmap="gray", vmin=-383, vmax=255, **shown)  # light
        opacity = np.minimum(amounts / limit, 1)
    else:
        panels[0].imshow(picture, **shown)
    panels[-1].imshow(pixels, cmap=DIVERGING, vmin=-limit, vmax=limit, alpha=opacity, **shown)
    for panel in panels:
        panel.set(xticks=[], yticks=[], aspect="auto")
    bar = figure.add_axes((lefts[-1] / whole + (width + GAP) / whole, bottom, BAR / whole, top), frame_on=False)
    bar.imshow(np.linspace(limit, -limit, 256)[:, None], cmap=DIVERGING, aspect="auto", extent=(0, 1, -limit, limit))
    least, most = ("≤ ", "≥ ") if limit < largest else ("", "")
    bar.set(xticks=[], yticks=[-limit, 0, limit], yticklabels=[f"{least}{-limit:+.2g}", "0", f"{most}{limit:+.2g}"])
    bar.yaxis.tick_right()
    return figure


def for_page(pixels: np.ndarray, picture: np.ndarray) -> Figure:
    """Return a figure of relevance beside a picture in 256 colours, which halves the size of a page.

    The whole figure must keep its colours: those of a photograph would replace some of the scale.
    """
    few = Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).convert("RGB")
    return figure_of(pixels, np.asarray(few))
