"""Parts of report pages."""

import base64
import io

import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure
from PIL import Image

from lrp_domains.domain.page import AGAINST, FOR, drawing, rgb, templates


@pytest.mark.parametrize("shades", [False, True])
def test_a_figure_is_a_picture_of_its_size(shades):
    picture = drawing(Figure(figsize=(3, 2)), shades=shades)
    assert (picture.width, picture.height) == (300, 200)
    data = base64.b64decode(picture.source.removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).size == (480, 320)


def test_templates_escape_and_refuse_what_is_missing():
    environment = templates("lrp_domains.genes.report")
    assert environment.from_string("{{ name }}").render(name="<b>") == "&lt;b&gt;"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ name }}").render()
    assert ".numbers" in environment.get_template("style.css").render()


def test_colours_in_numbers():
    assert rgb(FOR) == (178, 24, 43)
    assert rgb(AGAINST) == (33, 102, 172)
