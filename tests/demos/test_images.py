"""The demo of pictures: digits are learnt, its models load without code, and training is repeated with a seed."""

import pandas as pd
import pytest

from lrp_domains.demos.images import train_demo
from lrp_domains.images import ImageExplainer

from .commands import run


@pytest.mark.slow
def test_digits_are_learnt_and_the_models_load_without_code(tmp_path):
    printed = run("images", "train-demo", "--out", tmp_path / "models", "--quick", "--seed", 1)
    table = pd.read_csv(tmp_path / "models/pictures.tsv", sep="\t", dtype=str)
    assert len(table) == 360 and table["label"].value_counts().min() >= 34
    pictures = [tmp_path / "models" / path for path in table["path"]]
    for name, least in (("cnn", 0.9), ("vit", 0.6)):
        results = ImageExplainer.from_pretrained(tmp_path / "models" / name, device="cpu")(pictures)
        accuracy = (results.table()["prediction"] == table["label"]).mean()
        assert accuracy > least and f"{name}: accuracy {accuracy:.3f} on 360 pictures" in printed
        assert results[0].pixels.shape == (8, 8)


@pytest.mark.slow
def test_training_is_repeated_with_a_seed():
    one, other = (train_demo(seed=3, epochs=1) for _ in range(2))
    assert one.accuracies == other.accuracies
    assert (one.pictures == other.pictures).all() and set(one.networks) == {"cnn", "vit"}


@pytest.mark.slow
def test_the_whole_demo(tmp_path):
    run("images", "demo", "--quick", "--out", tmp_path / "demo")
    html = (tmp_path / "demo/report.html").read_text()
    assert ">cnn</h2>" in html and ">vit</h2>" in html
