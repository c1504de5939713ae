"""Inputs that can't be explained: one clear error each, before any long work."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lrp_domains import ATTN_LRP, EPSILON_PLUS, deep_taylor
from lrp_domains.domain import DomainError
from lrp_domains.images import ImageExplainer, check_set, explain_set, write_report

PIXELS = np.full((6, 8, 3), 9, np.uint8)
RULES = deep_taylor


def model(channels: int = 3, out: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 4 * 6, out)).eval()


class Returns(nn.Module):
    """A model that returns something else than logits."""

    def __init__(self, change):
        super().__init__()
        self.inner, self.change = model(), change

    def forward(self, x):
        return self.change(self.inner(x))


def explain(pictures=PIXELS, of=None, transform=None, settings=None, **call):
    return ImageExplainer(of or model(), transform, **(settings or {}))(pictures, **call)


def shrunk(image):
    return torch.zeros(3, 2, 2)


PICTURES = {
    "NaN in an array": (np.full((6, 8), np.nan), r"'picture 0' has floats from nan to nan: pass floats in \[0, 1\]"),
    "floats up to 255": (255.0 * np.ones((6, 8, 3)), r"floats from 255 to 255: pass floats in \[0, 1\], uint8, or"),
    "signed integers": (PIXELS.astype(int), "array of int64: pass uint8"),
    "channels first": (PIXELS.transpose(2, 0, 1), r"shape \(3, 6, 8\); an array is H x W, or H x W x C"),
    "one dimension": (PIXELS[0, :, 0], r"shape \(8,\); an array is H x W"),
    "an array of size 0": (PIXELS[:0], r"'picture 0' has size 0: shape \(0, 8, 3\)"),
    "an image of size 0": (Image.new("RGB", (0, 4)), "has size 0: 0 x 4 pixels"),
    "a picture of floats": (Image.fromarray(np.ones((6, 8), np.float32)), "float32 pixels of unknown range"),
    "an empty list": ([], "there are no pictures to explain"),
    "an empty tensor": (torch.zeros(0, 3, 6, 8), "there are no pictures to explain"),
    "no file": ("missing.png", "there is no file 'missing.png'"),
    "an address": ("https://example.org/cat.png", "'https://example.org/cat.png' is an address, .*: pass a file"),
    "a number": (3, "a picture is a path, PIL image, array or tensor, not int"),
    "an open file": (io.BytesIO(b"x"), "not BytesIO; for an open file or bytes, pass what PIL.Image.open returns"),
    "bytes": (b"x", "not bytes; for an open file"),
    "a folder": (Path(__file__).parent, "is a folder: pass its pictures, or explain it as a set, to a table"),
    "32 bits that may be 8": (Image.new("I", (8, 6), 200), "int32 pixels of unknown range"),
    "a mode of Pillow's own": (Image.new("La", (8, 6)), "has mode La, which Pillow does not convert"),
    "None in a list": ([PIXELS, None], "'picture 1' is a NoneType: pass a file"),
    "uint8 in a tensor": (torch.zeros(3, 6, 8, dtype=torch.uint8), "tensor of torch.uint8 .* pass an array"),
    "two dimensions in a tensor": (torch.zeros(6, 8), r"shape \(6, 8\); a tensor is what the model reads"),
    "infinite values in a tensor": (torch.full((3, 6, 8), torch.inf), "aren't finite"),
    "another size": (np.zeros((6, 9, 3), np.uint8), r"could not read pictures of 3 x 6 x 9 .* pass the transform"),
    "another number of channels": (torch.zeros(1, 6, 8), r"could not read pictures of 1 x 6 x 8 \(channels"),
}
CALLS = {
    "an unknown target": ({"target": "dgo", "settings": {"classes": [*"abc", "dog"]}}, "did you mean 'dog'"),
    "a target beyond the classes": ({"target": 4}, "target: there is no class '4' among 4"),
    "a misspelt setting": ({"settings": {"bacth_size": 2}}, "unknown setting 'bacth_size'; did you mean 'batch_size'"),
    "a misspelt setting of the adapter": ({"settings": {"moed": "L"}}, "unknown setting 'moed'; did you mean 'mode'"),
    "an unknown contrast": ({"target": 1, "against": "x"}, "against: there is no class 'x'"),
    "targets for other pictures": ({"target": [1, 2]}, "there are 2 targets for 1 pictures"),
    "an unknown reference": ({"reference": "blurr"}, "unknown reference 'blurr'; did you mean 'blur'"),
    "a reference of another size": ({"reference": PIXELS[1:]}, r"reference has shape \(3, 5, 8\).*\(3, 6, 8\): resize"),
    "an empty list of references": ({"reference": []}, "list of references is empty"),
    "a missing reference": ({"reference": "gone.png"}, "there is no file 'gone.png'"),
    "training mode": ({"of": nn.Sequential(nn.Dropout(), model()).train()}, r"training mode .* call model.eval\(\)"),
    "a dict without logits": ({"of": Returns(lambda z: {"scores": z})}, "returns a dict with scores, not logits"),
    "maps instead of logits": ({"of": Returns(lambda z: z[:, :, None])}, r"shape \(1, 4, 1\) for 1 samples"),
    "probabilities": ({"of": Returns(lambda z: z.softmax(1))}, "returns probabilities, not logits"),
    "names by number": ({"target": "xyz", "settings": {"classes": {3: "d", 0: "dog", 1: "b", 2: "c"}}}, "'dog', 'b'"),
    "one name of classes": ({"settings": {"classes": "abcd"}}, "classes='abcd' is one name: pass a list"),
    "an unknown mode": ({"settings": {"mode": "rgb"}}, "unknown mode 'rgb'; did you mean 'RGB'|'RGB', 'L'"),
    "a name for a model": ({"of": "resnet18"}, "the model, 'resnet18', is not a torch.nn.Module"),
    "a class for a model": ({"of": nn.Sequential}, "the model, Sequential, is not a torch.nn.Module"),
    "a target of a function": ({"target": 1, "settings": {"score": lambda z: z[:, 0]}}, "chooses the output itself"),
    "one score for all": ({"settings": {"score": lambda z: z.sum()}}, "score '<lambda>' returned one number for all"),
    "no score": ({"settings": {"score": lambda z: None}}, "score '<lambda>' returned a NoneType: return a tensor"),
    "mixed samples": ({"of": Returns(lambda z: z - z.mean(0))}, "it mixes those of a batch, or draws at random"),
    "random numbers": ({"of": Returns(lambda z: z + torch.randn_like(z))}, "draws at random"),
    "infinite logits": ({"of": Returns(lambda z: z / 0), "target": 0}, "score of 'picture 0' is -?(inf|nan)"),
    "a batch of 0": ({"settings": {"batch_size": 0}}, "batch_size=0: expected a whole number"),
    "a batch in words": ({"settings": {"batch_size": "8"}}, "batch_size='8': expected a whole number"),
    "weights for a model": ({"of": model().state_dict()}, "the model, a OrderedDict, is not a torch.nn.Module"),
    "an unknown score": ({"settings": {"score": "logits"}}, "unknown score 'logits'; did you mean 'logit'"),
    "a probability": ({"settings": {"score": "probability"}}, "saturates"),
    "rules by name": ({"settings": {"rules": "epsilon"}}, "rules='epsilon' is not a rule set"),
    "rules that aren't made": ({"settings": {"rules": lambda low, high: low}}, "is not a rule set"),
    "rules for a reference": ({"settings": {"rules": EPSILON_PLUS}, "reference": "blur"}, "use SECANT"),
    "an unknown precision": ({"settings": {"precision": "fp8"}}, "unknown precision 'fp8'|fp8"),
    "no such device": ({"settings": {"device": "cuda:77"}}, "there is no device 'cuda:77' here"),
    "other names of classes": ({"settings": {"classes": ["cat", "dog"]}}, "has 4 classes, but 2 are named"),
    "unknown bounds": ({"pictures": torch.randn(3, 6, 8), "settings": {"rules": RULES}}, "pass the transform"),
    "black of unknown tensors": ({"pictures": torch.randn(3, 6, 8), "reference": "black"}, "pass the transform"),
    "a transform that is no function": ({"transform": 3}, "transformed, as a picture of mode RGB, to a tensor: 'int'"),
    "a transform that raises": ({"transform": lambda image: image.mising}, "could not be transformed, .*mising"),
    "a transform to integers": ({"transform": lambda image: torch.ones(3, 6, 8).int()}, "torch.int32 .*expected"),
    "a transform to batches": ({"transform": lambda image: torch.ones(1, 3, 6, 8)}, r"\(1, 3, 6, 8\); expected"),
    "a transform without contrast": ({"transform": shrunk, "of": nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval(),
                                          "settings": {"rules": RULES}}, "black and white the same"),
}  # fmt: skip


@pytest.mark.parametrize("case", PICTURES)
def test_a_picture_that_cannot_be_explained(case):
    picture, message = PICTURES[case]
    with pytest.raises(DomainError, match=message) as caught:
        explain(picture)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", CALLS)
def test_a_request_that_cannot_be_answered(case):
    options, message = CALLS[case]
    from lrp_domains import LrpError

    with pytest.raises(LrpError, match=message) as caught:
        explain(**options)
    assert case == "rules for a reference" or isinstance(caught.value, DomainError)


def test_a_picture_of_too_many_pixels_is_not_called_damaged(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DomainError, match=r"a.png' is too large: .*; see PIL.Image.MAX_IMAGE_PIXELS"):
        explain(tmp_path / "a.png")


def test_texts_are_a_list(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for texts in ("a cat", []):
        with pytest.raises(DomainError, match="pass a list of texts, which are the classes"):
            ImageExplainer.from_pretrained(tmp_path, texts=texts)


@pytest.mark.parametrize("size", [0, 1.5, "4", None, (2,), (2, 3, 4), (0, 2)])
def test_patches_of_impossible_sizes(size):
    with pytest.raises(DomainError, match="expected one or two whole numbers of at least one pixel"):
        explain().patches(size)


def test_drawings_of_impossible_sizes():
    with pytest.raises(DomainError, match="size=0: expected at least one pixel"):
        explain().to_image(size=0)


def picture_set(folder, *, table="path,label\na.png,0\nb.png,1\n", sides=(8, 8), **contents: bytes):
    for name, side in zip("ab", sides, strict=True):
        Image.new("RGB", (side, 6)).save(folder / f"{name}.png")
    for name, content in contents.items():
        (folder / f"{name}.png").write_bytes(content)
    (folder / "set.csv").write_text(table)
    return folder / "set.csv"


SETS = {
    "no column of paths": ({"table": "file\na.png\n"}, "no column 'path'; there are: 'file'"),
    "no column of labels": (
        {"table": "path,class\na.png,1\n", "column": "clas"},
        "no column 'clas'; did you mean 'class'",
    ),
    "more cells than columns": ({"table": "path,label\na.png,1,2\n"}, "has rows of more cells than its header"),
    "sizes that the model can't read": ({"sides": (8, 11)}, "could not read pictures of 3 x 6 x 11"),
    "no rows": ({"table": "path,label\n"}, "no pictures in the table"),
    "an empty path": ({"table": "path,label\na.png,1\n,1\n"}, r"column 'path' is empty in row 1 \(from 0\)"),
    "an unknown label": ({"table": "path,label\na.png,1\nb.png,owl\n"}, "label: there is no class 'owl' among 4"),
    "a file that is missing": ({"table": "path\na.png\nc.png\n"}, "1 of 2 pictures can't be read: there is no file"),
    "a file of 0 bytes": ({"b": b""}, r"1 of 2 pictures can't be read: .*b.png' is empty, 0 bytes"),
    "a text": ({"b": b"Dear reader"}, r"b.png' is not a picture that Pillow can read"),
    "two wrong files": ({"a": b"", "b": b"x"}, r"2 of 2 pictures can't be read: .*a.png' is empty.*b.png' is not a"),
}


@pytest.mark.parametrize("case", SETS)
def test_a_set_that_cannot_be_explained(case, tmp_path):
    options, message = SETS[case]
    options, column = dict(options), options.get("column")
    options.pop("column", None)
    table = picture_set(tmp_path, **options)
    with pytest.raises(DomainError, match=message):
        check_set(ImageExplainer(model()), table, label_column=column)


def test_folders_and_files_that_cannot_be_used(tmp_path):
    explainer = ImageExplainer(model(), rules=ATTN_LRP)
    with pytest.raises(DomainError, match="there are no pictures in the folder"):
        check_set(explainer, tmp_path)
    table = picture_set(tmp_path)
    with pytest.raises(DomainError, match=r"not a table \(.csv, .tsv\), so it has no column 'label'"):
        check_set(explainer, tmp_path, label_column="label")
    with pytest.raises(DomainError, match=r"written as \.parquet"):
        explain_set(explainer, table, tmp_path / "out.csv")
    with pytest.raises(DomainError, match="not a folder of results"):
        write_report([tmp_path], tmp_path / "report.html")
    with pytest.raises(DomainError, match="no results to report"):
        write_report([], tmp_path / "report.html")


def test_a_misspelt_setting_is_found_before_a_model_is_loaded(tmp_path):
    with pytest.raises(DomainError, match="unknown setting 'refernce'; did you mean 'reference'"):
        ImageExplainer.from_pretrained(tmp_path / "none", refernce="black")
