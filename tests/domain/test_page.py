"""Parts of report pages."""

import base64
import io

import numpy as np
import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure
from PIL import Image

from lrp_domains.domain.page import AGAINST, FOR, drawing, rgb, templates


def image(picture, form):
    data = base64.b64decode(picture.source.removeprefix(f"data:image/{form};base64,"))
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("colours", [None, 64])
def test_a_figure_is_a_picture_of_its_size(colours):
    picture = drawing(Figure(figsize=(3, 2)), colours=colours)
    assert (picture.width, picture.height) == (300, 200)
    assert image(picture, "webp").size == (360, 240)


def test_colours_are_kept_or_reduced():
    figure = Figure(figsize=(3, 2))
    figure.add_axes((0, 0, 1, 1)).imshow(np.linspace(0, 1, 600).reshape(20, 30), cmap="RdBu_r", aspect="auto")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    pixels = np.asarray(Image.open(buffer).convert("RGB"))
    assert (np.asarray(image(drawing(figure, colours=None), "webp").convert("RGB")) == pixels).all()
    reduced = np.asarray(image(drawing(figure, colours=16), "webp").convert("RGB"))
    assert 8 < len(np.unique(reduced.reshape(-1, 3), axis=0)) <= 16


def test_a_figure_too_high_for_webp_is_a_png():
    picture = drawing(Figure(figsize=(0.5, 140)))
    assert image(picture, "png").size == (60, 16800)


def test_templates_escape_and_refuse_what_is_missing():
    environment = templates("lrp_domains.genes.report")
    assert environment.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ name }}").render()
    assert ".numbers" in environment.get_template("style.css").render()


def test_colours_in_numbers():
    assert rgb(FOR) == (178, 24, 43)
    assert rgb(AGAINST) == (33, 102, 172)
