"""Parts of a report page: templates, colours, and figures as data URIs, so that a report is one file.

Relevance is drawn in a red-blue scale centred at zero, which readers with red-green blindness can read too.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image, features

from .files.whole import whole_file

# The ends of ColorBrewer's RdBu, and matplotlib's name for the scale between them.
FOR, AGAINST, DIVERGING = "#b2182b", "#2166ac", "RdBu_r"
NEUTRAL, INK = "#8a929e", "#1d2430"
DPI = 120  # 100 dots are one inch on screen
WEBP_PIXELS = 16383  # of the longer side, at most


@dataclass(frozen=True)
class Drawing:
    """A figure as an ``img`` element holds it: its data, and its size on screen in pixels."""

    source: str = field(repr=False)
    width: int
    height: int


def drawing(figure: Figure, *, colours: int | None = 64, trimmed: bool = False) -> Drawing:
    """Convert a figure to a lossless WebP of few colours, which is a third of a PNG of all colours.

    Parameters
    ----------
    figure
        The figure.
    colours
        Number of colours, at most 256, which are chosen by their frequency; with None all are kept.
    trimmed
        Cut off margins, and make room for what is drawn beyond the figure, such as long names.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight" if trimmed else None)
    with Image.open(buffer) as image:
        width, height = (round(100 * dots / DPI) for dots in image.size)
        pixels = image.convert("RGB")
    if colours is not None:
        pixels = pixels.quantize(colours, dither=Image.Dither.NONE).convert("RGB")

    form = "webp" if max(pixels.size) <= WEBP_PIXELS and features.check("webp") else "png"
    buffer = io.BytesIO()
    pixels.save(buffer, format=form, lossless=True, quality=100)
    return Drawing(f"data:image/{form};base64," + base64.b64encode(buffer.getvalue()).decode(), width, height)


def templates(*packages: str) -> Environment:
    """Return the templates of packages' folders ``templates``, along with those of this package (``style.css``)."""
    loaders = [PackageLoader(name, "templates") for name in (*packages, "lrp_domains.domain")]
    return Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue of a colour such as ``#b2182b``, 0 to 255."""
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def write_page(path: str | Path, template: str, packages: Sequence[str], *, libraries: Sequence[str], **values) -> None:
    """Write a page from a template; the file appears whole or not at all.

    Parameters
    ----------
    path
        The file to write, ``.html``.
    template
        The name of the template, which is in the folder ``templates`` of one of the packages.
    packages
        As in `templates`.
    libraries
        Those whose versions the page shows.
    values
        What the template reads.
    """
    html = templates(*packages).get_template(template)
    versions = {name: version(name.replace("_", "-")) for name in libraries}
    with whole_file(path) as temporary:
        temporary.write_text(html.render(versions=versions, **values), encoding="utf-8")
