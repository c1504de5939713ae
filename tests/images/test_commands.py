"""The commands: one picture, and a set from its check to its report, with the models of the demo."""

import json
import os
from typing import get_args

import pytest
from PIL import Image
from typer.testing import CliRunner

import lrp_domains
from lrp_domains.command_line import app
from lrp_domains.commands.images.options import Rules
from lrp_domains.demos.images import train_demo
from lrp_domains.domain import read_outcomes
from lrp_domains.images import ImageExplainer


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["images", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "models"
    train_demo(seed=1, epochs=1).save(folder)
    return folder


def test_a_picture(demo, tmp_path):
    picture = demo / "pictures/004.png"
    arguments = (picture, "--model", demo / "vit", "--device", "cpu", "--target", 3, "--against", 8)
    output = run("explain", *arguments, "--html", tmp_path / "a.html", "--drawings", tmp_path / "drawings")
    result = ImageExplainer.from_pretrained(demo / "vit", device="cpu")(picture, "3", against="8")
    assert f"predicted {result.prediction} ({result.probability:.1%}), explained 3 against 8" in output
    assert f"score {result.score:+.3f}, pixels {result.units:+.3f}" in output
    assert (tmp_path / "a.html").read_text().count("<img") == 1
    assert [path.name for path in (tmp_path / "drawings").iterdir()] == ["0_004.png"]


def test_a_picture_against_a_reference_whose_score_is_printed(demo):
    picture = demo / "pictures/004.png"
    output = run("explain", picture, "--model", demo / "vit", "--device", "cpu", "--reference", "blur")
    result = ImageExplainer.from_pretrained(demo / "vit", device="cpu")(picture, reference="blur")
    assert (
        f"score {result.score:+.3f}, of the reference {result.reference_score:+.3f}, pixels {result.units:+.3f}"
        in output
    )


@pytest.mark.parametrize("rules", get_args(Rules))
def test_every_rule_set_has_a_name(rules):
    name = rules.replace("-", "_")
    assert hasattr(lrp_domains, name if name == "deep_taylor" else name.upper())


@pytest.mark.parametrize("rules", ["epsilon-gamma-box", "deep-taylor", "epsilon-plus-flat"])
def test_rules_for_bounded_inputs(demo, rules):
    picture = demo / "pictures/004.png"
    output = run("explain", picture, "--model", demo / "cnn", "--device", "cpu", "--rules", rules)
    name = rules.replace("-", "_")
    made = getattr(lrp_domains, name if name == "deep_taylor" else name.upper())
    explainer = ImageExplainer.from_pretrained(demo / "cnn", device="cpu", rules=made)
    assert f"pixels {explainer(picture).units:+.3f}" in output


def test_a_set_from_its_check_to_its_report(demo, tmp_path):
    model = ("--model", demo / "cnn", "--reference", "black", "--rules", "secant")
    run("check", demo / "pictures.tsv", *model, "--out", tmp_path / "check.json")
    summary = json.loads((tmp_path / "check.json").read_text())
    assert summary["samples"] == 360 and set(summary["inputs"]) >= {"pictures", "model", "model's network"}
    shards = [tmp_path / f"{number}.parquet" for number in (1, 2)]
    for number, shard in enumerate(shards, 1):
        options = ("--check", tmp_path / "check.json", "--shard", number, "--shards", 2, "--device", "cpu")
        run("explain", demo / "pictures.tsv", *model, *options, "--out", shard)
    assert "360 pictures" in run("gather", *shards, "--out", tmp_path / "set/explained.parquet")
    outcomes = read_outcomes(tmp_path / "set/explained.parquet")
    assert len(outcomes) == 360 and outcomes["reference_score"].notna().all()
    run("report", tmp_path / "set", "--out", tmp_path / "report.html", "--examples", 2, "--title", "Digits")
    assert "<title>Digits</title>" in (tmp_path / "report.html").read_text()


def test_options_that_do_not_belong_together(demo, tmp_path):
    picture, model = demo / "pictures/000.png", ("--model", demo / "cnn")
    assert "name a model" in run("explain", picture, code=1)
    assert "--against requires a --target" in run("explain", picture, *model, "--against", "8", code=2)
    assert "--shard: only for a set" in run("explain", picture, *model, "--shard", 1, code=2)
    assert "--html: leave out" in run("explain", picture, *model, "--out", "a.parquet", "--html", "a.html", code=2)
    rival = run("explain", picture, *model, "--rules", "attn-lrp-midpoints", code=2)
    assert "'attn-lrp-midpoints' is not one of 'attn-lrp', 'cp-lrp'" in rival
    for pictures in (demo / "pictures", demo / "pictures.tsv"):
        assert "is a set: name the table to write, --out" in run("explain", pictures, *model, code=2)
    file = demo / "pictures.tsv"  # refused before anything is explained
    for option, wrong in (("--drawings", file), ("--html", demo / "pictures")):
        printed = run("explain", picture, *model, option, wrong, code=1)
        assert "name a f" in printed and "predicted" not in printed
    two = ("explain", picture, picture, *model, "--out", tmp_path / "a.parquet")
    assert "--out is for one set" in run(*two, code=2)
    assert "there is no class '11'" in run("explain", picture, *model, "--device", "cpu", "--target", "11", code=1)


def test_a_picture_of_a_table_that_has_changed_since_the_check(demo, tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8), 50).save(tmp_path / name)
    (tmp_path / "set.csv").write_text("path\na.png\nb.png\n")
    model = ("--model", demo / "cnn")
    run("check", tmp_path / "set.csv", *model, "--out", tmp_path / "check.json")
    options = ("--check", tmp_path / "check.json", "--device", "cpu", "--out", tmp_path / "a.parquet")
    os.utime(tmp_path / "a.png")
    run("explain", tmp_path / "set.csv", *model, *options)
    Image.new("L", (8, 8), 200).save(tmp_path / "b.png")
    message = run("explain", tmp_path / "set.csv", *model, *options, code=1)
    assert "or what it names, have changed since they were checked" in message and "images check' again" in message


def test_a_model_that_has_changed_since_the_check(demo, tmp_path):
    (tmp_path / "set.csv").write_text(f"path\n{demo}/pictures/000.png\n")
    model = ("--model", demo / "cnn")
    run("check", tmp_path / "set.csv", *model, "--out", tmp_path / "check.json")
    (tmp_path / "set.csv").write_text(f"path\n{demo}/pictures/001.png\n")
    options = ("--check", tmp_path / "check.json", "--device", "cpu", "--out", tmp_path / "a.parquet")
    assert "have changed since they were checked" in run("explain", tmp_path / "set.csv", *model, *options, code=1)
