"""Parts of a report page: templates, colours, and figures as data URIs, so that a report is one file.

Relevance is drawn in a red-blue scale centred at zero, which readers with red-green blindness can read too.
"""

import base64
import io
from dataclasses import dataclass, field

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

# The ends of ColorBrewer's RdBu, and matplotlib's name for the scale between them.
FOR, AGAINST, DIVERGING = "#b2182b", "#2166ac", "RdBu_r"
NEUTRAL, INK = "#8a929e", "#1d2430"
DPI = 160  # 100 dots are one inch on screen


@dataclass(frozen=True)
class Drawing:
    """A figure as an ``img`` element holds it: its data, and its size on screen in pixels."""

    source: str = field(repr=False)
    width: int
    height: int


def drawing(figure: Figure, *, shades: bool = False, trimmed: bool = False) -> Drawing:
    """Convert a figure to a PNG of at most 256 colours, a third of the size.

    Parameters
    ----------
    figure
        The figure.
    shades
        Keep all colours.
    trimmed
        Cut off margins, and make room for what is drawn beyond the figure, such as long names.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight" if trimmed else None)
    with Image.open(buffer) as image:
        width, height = (round(100 * pixels / DPI) for pixels in image.size)
        reduced = None if shades else image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    if reduced is not None:
        buffer = io.BytesIO()
        reduced.save(buffer, format="png", optimize=True)
    return Drawing("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode(), width, height)


def templates(package: str) -> Environment:
    """Return the templates of a package's folder ``templates``, along with those of this package (``style.css``)."""
    loaders = [PackageLoader(name, "templates") for name in (package, "lrp_domains.domain")]
    return Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue of a colour such as ``#b2182b``, 0 to 255."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))
