"""What users get: patches, segments, arrays, drawings, pages and tables."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image
from torch import nn

from lrp_domains.domain import DomainError
from lrp_domains.domain.page import AGAINST, DIVERGING, FOR, rgb
from lrp_domains.images import ImageExplainer
from lrp_domains.images.drawing import figure_of


@pytest.fixture(scope="module")
def results():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 70, 3)).eval()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 7, 10, 3), np.uint8)
    return ImageExplainer(model, classes=["cat", "<dog>", "owl"])(pictures, target="<dog>")


def test_patches_sum_pixels_also_at_the_edges(results):
    pixels = results[0].pixels
    patches = results[0].patches((3, 4))
    assert patches.shape == (3, 3)
    for row in range(3):
        for column in range(3):
            part = pixels[3 * row : 3 * row + 3, 4 * column : 4 * column + 4]
            assert patches[row, column] == pytest.approx(part.sum(), abs=1e-6)
    assert results[0].patches(10).item() == pytest.approx(results[0].units, abs=1e-5)
    with pytest.raises(DomainError, match="at least one pixel"):
        results[0].patches(0)


def test_segments_sum_pixels(results):
    mask = np.zeros((7, 10), int)
    mask[2:4, 1:5], mask[5:, 8:] = 7, -1
    segments = results[0].segments(mask)
    assert segments.index.tolist() == [-1, 0, 7]
    assert segments[7] == pytest.approx(results[0].pixels[2:4, 1:5].sum(), abs=1e-6)
    assert segments.sum() == pytest.approx(results[0].units, abs=1e-5)
    assert results[0].segments(mask == 7)[True] == pytest.approx(segments[7])
    with pytest.raises(DomainError, match=r"the mask has shape \(7, 9\), but the model saw \(7, 10\)"):
        results[0].segments(mask[:, 1:])
    with pytest.raises(DomainError, match="integers"):
        results[0].segments(mask / 2)


def test_arrays(results):
    assert results.to_array().shape == (3, 7, 10)
    assert results.to_array(channels=True).shape == (3, 3, 7, 10)
    assert np.allclose(results.to_array(channels=True).sum(1), results.to_array())
    assert (results[1:].to_array() == results.to_array()[1:]).all()


def test_a_drawing_is_signed_and_symmetric(results):
    pixels = np.zeros((4, 4), np.float32)
    pixels[0, 0], pixels[3, 3], pixels[0, 3] = 2, -1, 1
    result = type(results[0])(**vars(results[0]) | {"channels": pixels[None], "picture": np.zeros((4, 4, 3), np.uint8)})
    drawn = np.asarray(result.to_image(over=False, size=200)).astype(int)
    assert drawn.shape[0] == 220
    panel = drawn[10:210, 210:410]  # the second of two, with a gap of 0.1 inches between
    most, less, against, none = (panel[y, x] for y, x in ((25, 25), (25, 175), (175, 175), (100, 100)))
    assert most[0] > most[2] + 50 and against[2] > against[0] + 50
    assert abs(less[0] - against[2]) < 40  # equal amounts have equal strength
    assert (none > 240).all()
    over = np.asarray(result.to_image(over=True, size=200)).astype(int)
    assert over.shape[1] < drawn.shape[1]
    assert np.ptp(over[110, 100]) == 0 and over[110, 100, 0] < 240  # without relevance, the picture in light grey
    assert rgb(FOR)[0] > rgb(AGAINST)[0]


def test_patches_are_drawn_by_their_sums(results):
    pixels = np.zeros((4, 6), np.float32)
    pixels[0, 0], pixels[0, 1], pixels[3, 5] = 3, -1, -2  # +2 and -2
    result = type(results[0])(**vars(results[0]) | {"channels": pixels[None], "picture": np.zeros((4, 6, 3), np.uint8)})
    drawn = np.asarray(result.to_image(size=240, patch=(3, 2))).astype(int)[10:170, :240]
    assert (drawn[:120, :80] == drawn[60, 40]).all() and drawn[60, 40, 0] > drawn[60, 40, 2] + 50
    assert (drawn[122:, 162:] == drawn[150, 200]).all() and drawn[150, 200, 2] > drawn[150, 200, 0] + 50
    assert np.ptp(drawn[60, 120]) == 0
    with pytest.raises(DomainError, match="expected one or two whole numbers"):
        result.to_image(patch=0)


def test_a_page_is_self_contained_and_escaped(results):
    html = results.to_html("Cats & <dogs>")
    assert html.startswith("<!doctype html>") and "<title>Cats &amp; &lt;dogs&gt;</title>" in html
    assert "<dog>" not in html and "&lt;dog&gt;" in html
    images = re.findall(r'<img src="data:image/\w+;base64,([^"]+)"[^>]* alt="([^"]+)"', html)
    assert len(images) == 3 == len(re.findall("<img", html))
    assert all("relevance of its pixels for &lt;dog&gt;" in alt for _, alt in images)
    with Image.open(io.BytesIO(base64.b64decode(images[0][0]))) as image:
        assert image.width > 2 * 224
    assert not re.search(r"(src|href)=\"http", html)
    assert f"pixels {results[0].units:+.3f}, rest {results[0].rest:+.3f}" in html
    body = results[0]._repr_html_()
    assert body.lstrip().startswith("<div") and body.count("<img") == 1


def test_a_photograph_does_not_change_the_colours_of_the_scale(results):
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (60, 60, 3), np.uint8)
    channels = generator.normal(size=(1, 60, 60)).astype(np.float32)
    html = type(results[0])(**vars(results[0]) | {"channels": channels, "picture": picture}).to_html()
    with Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]))) as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    scale = {tuple(colour) for colour in colormaps[DIVERGING](range(256), bytes=True)[:, :3].tolist()}
    assert {tuple(colour) for colour in drawn[20:270, 300:540].reshape(-1, 3).tolist()} <= scale
    assert len({tuple(colour) for colour in drawn[20:270, :260].reshape(-1, 3)}) <= 256


def test_a_table_has_a_row_per_picture(results):
    table = results.table()
    assert table["name"].tolist() == ["picture 0", "picture 1", "picture 2"]
    assert set(table["target"]) == {"<dog>"}
    assert np.allclose(table["score"], table["units"] + table["rest"])
    assert repr(results) == "ImageRelevances(3 pictures)" and "picture 0" in repr(results[0])


def test_one_pixel_far_above_the_others_does_not_make_them_white(results):
    pixels = np.full((40, 40), -1.0, np.float32)
    pixels[:20] = 1
    pixels[0, 0] = 1000
    picture = np.zeros((40, 40, 3), np.uint8)
    result = type(results[0])(**vars(results[0]) | {"channels": pixels[None], "picture": picture})
    drawn = np.asarray(result.to_image(over=False, size=200)).astype(int)
    panel = drawn[10:210, 210:410]
    for over in (panel, np.asarray(result.to_image(size=200)).astype(int)[10:210, :200]):
        above, below = over[50, 100], over[150, 100]
        assert above[0] > above[2] + 50 and below[2] > below[0] + 50
    labels = [label.get_text() for label in figure_of(pixels, picture).axes[-1].get_yticklabels()]
    assert labels == ["≤ -1", "0", "≥ +1"]
    small = type(results[0])(**vars(result) | {"channels": 2.22e-5 * result.channels})
    assert (np.asarray(small.to_image())[:, -4:] == 255).all()  # long numbers have room
    pixels[0, 0] = 1
    assert [label.get_text() for label in figure_of(pixels, picture).axes[-1].get_yticklabels()] == ["-1", "0", "+1"]
    alone = np.where(pixels * np.arange(1600).reshape(40, 40) == 1, 3, 0)  # of all 1600 pixels, one
    assert [label.get_text() for label in figure_of(alone, picture).axes[-1].get_yticklabels()] == ["-3", "0", "+3"]
