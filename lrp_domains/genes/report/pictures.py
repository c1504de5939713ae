"""Figures as a page holds them: drawn by the public functions, outside pyplot."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...domain.page import Drawing, drawing

Draw = Callable[[Axes], object]

# Colours of lines and marks, of points on a scale or in many groups, and of areas, of which a single one may be rare.
FEW, MANY, ALL = 64, 256, None


def picture(draw: Draw, width: float, height: float, *, colours: int | None = FEW) -> Drawing:
    """Draw on new axes of a size in inches."""
    return pictures([draw], columns=1, width=width, height=height, colours=colours)


def placed_picture(draw: Draw, width: float, height: float, *, place: tuple[float, float, float, float]) -> Drawing:
    """Draw on axes whose left, bottom, width and height are given in inches: in half the time that a layout takes."""
    figure = Figure(figsize=(width, height))
    left, bottom, across, up = place
    draw(figure.add_axes((left / width, bottom / height, across / width, up / height)))
    return drawing(figure, colours=FEW)


def trimmed_picture(draw: Draw, width: float, height: float) -> Drawing:
    """Draw a figure of scanpy, which lays out its parts itself, and cut off its margins."""
    figure = Figure(figsize=(width, height))
    draw(figure.add_subplot())
    return drawing(figure, colours=ALL, trimmed=True)


def pictures(draws: Sequence[Draw], *, columns: int, width: float, height: float, colours: int | None = FEW) -> Drawing:
    """Draw several panels, each of a size in inches, as one figure."""
    columns = min(columns, len(draws))
    rows = -(-len(draws) // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    for number, draw in enumerate(draws, 1):
        draw(figure.add_subplot(rows, columns, number))
    return drawing(figure, colours=colours)
