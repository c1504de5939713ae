"""Relevance of segments by masks of whole pictures: in memory, of sets, on the command line; masks that don't fit."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from lrp_domains.domain import DomainError, Shard, gather_parts, read_arrays
from lrp_domains.images import ImageExplainer, check_set, explain_set, write_segments

MASK = np.zeros((8, 10), np.uint8)
MASK[2:6, 2:6], MASK[6:, 6:] = 7, 200
SEEN = MASK[::2, :8:2]  # by a model whose transform is `halved`: no pixel has parts of two segments


def halved(image: Image.Image) -> torch.Tensor:
    """Crop the left 8 columns, halve both sides, and normalise."""
    small = np.asarray(image.crop((0, 0, 8, 8)).resize((4, 4), Image.Resampling.BOX), np.float32)
    return torch.from_numpy(small).permute(2, 0, 1) / 50 - 2


def framed(image: Image.Image) -> torch.Tensor:
    """Put two pixels of grey around a picture."""
    whole = Image.new("RGB", (image.width + 4, image.height + 4), (100, 100, 100))
    whole.paste(image, (2, 2))
    return torch.from_numpy(np.asarray(whole, np.float32)).permute(2, 0, 1) / 255


@pytest.fixture(scope="module")
def explainer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)).eval()
    return ImageExplainer(model, halved, classes=["cat", "dog", "owl"])


def picture_set(folder, masks=None):
    """Write three pictures, of which the last is rotated when it is shown, their masks, and a table."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 10, 3), np.uint8)
    for number in range(2):
        Image.fromarray(pixels[number]).save(folder / f"{number}.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.fromarray(pixels[2].transpose(1, 0, 2)).save(folder / "2.png", exif=exif)
    Image.fromarray(MASK).save(folder / "grey.png")
    palette = Image.fromarray(MASK).convert("P")
    palette.putdata(MASK.ravel().tolist())
    palette.putpalette(list(range(255, -1, -1)) * 3)
    palette.save(folder / "palette.png")
    np.save(folder / "mask.npy", MASK.astype(np.int64) * 1000)
    named = {"path": [f"{number}.png" for number in range(3)], "mask": masks or ["grey.png", "palette.png", "mask.npy"]}
    pd.DataFrame(named).to_csv(folder / "set.tsv", sep="\t", index=False)
    return folder / "set.tsv"


def test_a_mask_is_transformed_as_its_picture_is(explainer):
    model = explainer.tensors.model
    for transform in (halved, lambda image: -halved(image)):  # also one that inverts
        assert (ImageExplainer(model, transform).as_seen(MASK) == SEEN).all()
    result = explainer(np.random.default_rng(1).integers(0, 256, (8, 10, 3), np.uint8))
    assert result.segments(explainer.as_seen(MASK)).sum() == pytest.approx(result.units, abs=1e-5)
    shifted = np.zeros((8, 10), int)
    shifted[:, :4], shifted[:3, 4] = -3, 9  # 9 has half of a pixel, and a quarter of the one below
    shifted[0, 5] = 9
    assert explainer.as_seen(shifted).tolist() == [[-3, -3, 9, 0]] + 3 * [[-3, -3, 0, 0]]
    assert set(np.unique(explainer.as_seen(MASK == 7)).tolist()) == {0, 1}


def test_pixels_around_a_picture_are_of_segment_0(explainer):
    seen = ImageExplainer(explainer.tensors.model, framed).as_seen(MASK + 1)
    assert seen.shape == (12, 14) and (seen[2:-2, 2:-2] == MASK + 1).all()
    seen[2:-2, 2:-2] = 0
    assert not seen.any()


def test_segments_of_a_set_are_those_of_its_pictures(explainer, tmp_path):
    table = picture_set(tmp_path)
    assert check_set(explainer, table, mask_column="mask")["samples"] == 3
    for number in (1, 2):
        explain_set(explainer, table, tmp_path / f"{number}.parquet", mask_column="mask", shard=Shard(number, 2))
    gather_parts([tmp_path / "1.parquet", tmp_path / "2.parquet"], tmp_path / "all.parquet")
    for name in ("all", "2"):
        write_segments(tmp_path / f"{name}.parquet", tmp_path / f"{name}.tsv")
    written = pd.read_csv(tmp_path / "all.tsv", sep="\t")
    assert list(written) == ["sample", "name", "target", "against", "segment", "pixels", "relevance"]
    assert written["against"].isna().all()
    contrast = {"target": explainer.classes[0], "against": explainer.classes[1]}
    explain_set(explainer, table, tmp_path / "c.parquet", mask_column="mask", **contrast)
    write_segments(tmp_path / "c.parquet", tmp_path / "c.tsv")
    contrasted = pd.read_csv(tmp_path / "c.tsv", sep="\t", dtype=str)
    assert set(zip(contrasted["target"], contrasted["against"], strict=True)) == {tuple(contrast.values())}
    assert set(pd.read_csv(tmp_path / "2.tsv", sep="\t")["sample"]) == {1, 2}
    for number, result in enumerate(explainer([tmp_path / f"{number}.png" for number in range(3)])):
        mask = SEEN if number < 2 else 1000 * SEEN.astype(int)
        rows = written[written["sample"] == number].set_index("segment")
        expected = result.segments(mask)
        assert rows.index.tolist() == expected.index.tolist() and np.allclose(rows["relevance"], expected, atol=1e-6)
        assert rows["pixels"].tolist() == np.unique(mask, return_counts=True)[1].tolist()
        assert (rows["target"] == result.target).all() and (rows["name"] == f"{number}.png").all()
    assert (read_arrays(tmp_path / "all.npz", ["1.mask"])["1.mask"] == SEEN).all()


def test_another_mask_is_another_request(explainer, tmp_path):
    def interrupted(parts, description):
        yield from list(parts)[:1]
        raise KeyboardInterrupt

    table, out = picture_set(tmp_path), tmp_path / "out.parquet"
    for change, before in ((lambda: None, 1), (lambda: Image.fromarray(MASK[::-1]).save(tmp_path / "grey.png"), 0)):
        with pytest.raises(KeyboardInterrupt):
            explain_set(explainer, table, out, mask_column="mask", part=1, progress=interrupted)
        change()
        assert explain_set(explainer, table, out, mask_column="mask", part=1) == before


def test_the_command_writes_segments(explainer, tmp_path):
    from typer.testing import CliRunner

    from lrp_domains.command_line import app

    table = picture_set(tmp_path)
    explain_set(explainer, table, tmp_path / "with.parquet", mask_column="mask")
    explain_set(explainer, table, tmp_path / "without.parquet")
    arguments = ["images", "segments", str(tmp_path / "with.parquet"), "--out", str(tmp_path / "segments.tsv")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(pd.read_csv(tmp_path / "segments.tsv", sep="\t")) == 9
    arguments[2] = str(tmp_path / "without.parquet")
    output = " ".join(CliRunner().invoke(app, arguments).output.split())
    assert "has no masks: explain the set with mask_column (--mask-column)" in output


def saved(array, name="bad.png", **options):
    def save(folder):
        Image.fromarray(array).save(folder / name, **options) if name != "bad.npy" else np.save(folder / name, array)
        return name

    return save


def written(content, name):
    def write(folder):
        (folder / name).write_bytes(content)
        return name

    return write


WRONG = {
    "no file": (lambda folder: "gone.png", "there is no file '.*gone.png'"),
    "no array": (lambda folder: "gone.npy", "mask '.*gone.npy' could not be read"),
    "another size": (saved(MASK[1:]), r"mask '.*bad.png' has shape \(7, 10\), but the picture \(8, 10\)"),
    "as the model saw it": (saved(MASK[:4, :4]), r"has shape \(4, 4\), but the picture \(8, 10\)"),
    "on its side": (saved(MASK.T.copy()), r"has shape \(10, 8\), but the picture \(8, 10\)"),
    "colours": (saved(np.stack([MASK] * 3, 2)), r"has shape \(8, 10, 3\), but .*: one number per pixel"),
    "grey with alpha": (saved(np.stack([MASK] * 2, 2)), r"has shape \(8, 10, 2\)"),
    "a JPEG": (saved(MASK, "bad.jpg"), "is a JPEG, which may change numbers: save it as .png"),
    "floats": (saved(MASK / 3, "bad.npy"), "is of float64: save the number of each pixel's segment"),
    "floats in a TIFF": (saved(np.float32(MASK), "bad.tif"), "is of float32: save the number"),
    "a map of depths": (
        saved(np.arange(8 * 10).reshape(8, 10), "bad.npy"),
        "has 80 segments; at most 50 are transformed",
    ),
    "objects": (saved(np.array([{}]), "bad.npy"), "mask '.*bad.npy' could not be read: .*pickle"),
    "a cut array": (written(b"\x93NUMPY\x01\x00", "bad.npy"), "mask '.*bad.npy' could not be read"),
    "an empty file": (written(b"", "bad.png"), "bad.png' is empty, 0 bytes"),
    "a text": (written(b"1 2 3", "bad.png"), "bad.png' is not a picture"),
    "a folder": (lambda folder: ".", "is a folder"),
    "an empty cell": (lambda folder: "", r"column 'mask' is empty in row 1 \(from 0\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mask_that_does_not_fit(case, explainer, tmp_path, monkeypatch):
    monkeypatch.setattr("lrp_domains.images.masks.MOST", 50)
    make, message = WRONG[case]
    table = picture_set(tmp_path, ["grey.png", make(tmp_path), "mask.npy"])
    for run in (check_set, lambda *a, **k: explain_set(*a, tmp_path / "out.parquet", **k)):
        with pytest.raises(DomainError, match=message) as caught:
            run(explainer, table, mask_column="mask")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.parquet").exists()


def test_sets_without_masks(explainer, tmp_path):
    table = picture_set(tmp_path)
    with pytest.raises(DomainError, match="no column 'maks'; did you mean 'mask'"):
        check_set(explainer, table, mask_column="maks")
    with pytest.raises(DomainError, match=r"not a table \(.csv, .tsv\), so it has no column 'mask'"):
        check_set(explainer, tmp_path, mask_column="mask")
    with pytest.raises(DomainError, match=r"mask has shape \(4,\); expected H x W"):
        explainer.as_seen(np.zeros(4, int))
    with pytest.raises(DomainError, match="expected H x W, at least 1 x 1"):
        explainer.as_seen(np.zeros((0, 4), int))
    plain = ImageExplainer(explainer.tensors.model, lambda image: torch.zeros(3, 4, 4))
    with pytest.raises(DomainError, match="black and white the same, so that it shows no mask"):
        plain.as_seen(MASK)
