"""What is read from files, PIL images and arrays: upright, opaque, 8 bits, in colour or grey."""

import numpy as np
import pytest
from PIL import Image

from lrp_domains.domain import DomainError
from lrp_domains.images.pictures import read_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


def read(picture, mode="RGB"):
    image, notes = read_picture(picture, mode, "it")
    return np.asarray(image), notes


def saved(image: Image.Image, path, **options):
    image.save(path, **options)
    return path


def test_colours_and_grey(tmp_path):
    assert (read(PIXELS)[0] == PIXELS).all()
    assert (read(saved(Image.fromarray(PIXELS), tmp_path / "a.png"))[0] == PIXELS).all()
    grey = PIXELS[:, :, 0]
    for form in (grey, grey[:, :, None], Image.fromarray(grey)):
        assert (read(form)[0] == grey[:, :, None].repeat(3, 2)).all()
        assert (read(form, "L")[0] == grey).all()
    assert (read(PIXELS, "L")[0] == np.asarray(Image.fromarray(PIXELS).convert("L"))).all()
    assert (read(PIXELS / 255)[0] == PIXELS).all()


def test_transparent_parts_are_put_on_white_with_a_note(tmp_path):
    alpha = np.full((4, 6, 1), 255, np.uint8)
    opaque = np.concatenate([PIXELS, alpha], 2)
    assert read(opaque)[1] == () and (read(opaque)[0] == PIXELS).all()
    alpha[0] = 0
    for form in (opaque := np.concatenate([PIXELS, alpha], 2), saved(Image.fromarray(opaque), tmp_path / "a.png")):
        pixels, notes = read(form)
        assert (pixels[0] == 255).all() and (pixels[1:] == PIXELS[1:]).all()
        assert notes == ("transparent parts were put on white",)


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    pixels, notes = read(saved(image, tmp_path / "a.png", transparency=0))
    assert pixels.tolist() == [[[255] * 3, [200, 100, 50]], [[200, 100, 50], [255] * 3]]
    assert notes
    assert read(saved(image, tmp_path / "b.png"))[0][0, 0].tolist() == [10, 20, 30]


def test_16_bits(tmp_path):
    deep = np.array([[0, 257, 32896], [65535, 128, 1000]], np.uint16)
    pixels, _ = read(saved(Image.fromarray(deep), tmp_path / "a.png"), "L")
    assert pixels.tolist() == [[0, 1, 128], [255, 0, 4]]


def test_deep_and_one_bit_arrays_are_read_as_pictures_are():
    deep = np.array([[0, 257, 32896], [65535, 128, 1000]], np.uint16)
    for form in (deep, Image.fromarray(deep), Image.fromarray(deep.astype(np.int32))):
        assert read(form, "L")[0].tolist() == [[0, 1, 128], [255, 0, 4]]
    assert (read(PIXELS.astype(np.uint16) * 257)[0] == PIXELS).all()
    bits = PIXELS[:, :, 0] > 128
    assert (read(bits, "L")[0] == 255 * bits).all() and (read(Image.fromarray(bits), "L")[0] == 255 * bits).all()


@pytest.mark.parametrize("suffix", ["gif", "png", "tiff", "webp"])
def test_of_several_frames_the_first_is_read_with_a_note(suffix, tmp_path):
    frames = [Image.new("RGB", (4, 6), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    pixels, notes = read(tmp_path / f"a.{suffix}")
    assert (pixels > 250).all() and notes == ("of several frames, only the first was read",)


@pytest.mark.parametrize("suffix", ["gif", "tiff"])
def test_frames_that_are_cut_off(suffix, tmp_path):
    frames = [Image.fromarray(np.roll(PIXELS.repeat(9, 0), n, 0)) for n in range(3)]
    frames[0].save(tmp_path / f"whole.{suffix}", save_all=True, append_images=frames[1:])
    content = (tmp_path / f"whole.{suffix}").read_bytes()
    refused = set()
    for length in range(1, len(content), 3):
        (tmp_path / f"a.{suffix}").write_bytes(content[:length])
        try:
            read(tmp_path / f"a.{suffix}")
        except DomainError as error:
            refused.add(type(error.__cause__).__name__)
    assert refused - {"NoneType", "OSError", "SyntaxError", "ValueError"}


def test_cmyk_and_one_bit(tmp_path):
    image = Image.fromarray(PIXELS).convert("CMYK")
    pixels, _ = read(saved(image, tmp_path / "a.tif"))
    assert (pixels == np.asarray(image.convert("RGB"))).all()
    bits = Image.fromarray(PIXELS[:, :, 0] > 128)
    assert set(read(saved(bits, tmp_path / "b.png"), "L")[0].ravel()) == {0, 255}


def test_the_orientation_of_a_photograph_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    path = saved(Image.fromarray(PIXELS), tmp_path / "a.png", exif=exif)
    assert (read(path)[0] == np.rot90(PIXELS, -1)).all()


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("L", (3, 2), shade) for shade in (10, 200)]
    path = saved(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (read(path, "L")[0] == 10).all()


def test_a_file_that_is_cut_off(tmp_path):
    for name in ("a.png", "a.jpg", "a.webp"):
        path = saved(Image.fromarray(PIXELS.repeat(20, 0).repeat(20, 1)), tmp_path / name)
        path.write_bytes(path.read_bytes()[:-300])
        with pytest.raises(DomainError, match=rf"'{path}' (could not be read, it is damaged|is not a picture)"):
            read(path)


def test_an_opened_file_that_is_cut_off_or_closed(tmp_path):
    path = saved(Image.fromarray(PIXELS.repeat(20, 0).repeat(20, 1)), tmp_path / "a.png")
    image = Image.open(path)
    image.close()
    with pytest.raises(DomainError, match="'picture 1' could not be read: Operation on closed image"):
        read_picture(image, "RGB", "picture 1")
    path.write_bytes(path.read_bytes()[:-300])
    with Image.open(path) as image, pytest.raises(DomainError, match=r"'picture 1' could not be read: .*truncated"):
        read_picture(image, "RGB", "picture 1")
