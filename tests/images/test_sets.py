"""Sets of pictures explained to files: the same as in memory, resumed, sharded, and reported."""

import re
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from lrp_domains import EPSILON, EPSILON_GAMMA_BOX, deep_taylor, gamma
from lrp_domains.domain import DomainError, Shard, gather_parts, read_arrays, read_outcomes
from lrp_domains.images import ImageExplainer, check_set, explain_set, write_report

NUMBER = 7


@pytest.fixture(scope="module")
def explainer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)).eval()
    return ImageExplainer(model, classes=["cat", "dog", "owl"])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(NUMBER):
        pixels = generator.integers(0, 256, (8, 10, 4 if number == 3 else 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    paths = [f"{number}.png" for number in range(NUMBER)]
    labels = ["cat", "dog", "2", "owl", "cat", "1", "dog"]
    pd.DataFrame({"path": paths, "label": labels}).to_csv(folder / "set.tsv", sep="\t", index=False)
    return folder / "set.tsv"


def test_files_hold_what_a_call_returns(explainer, table, tmp_path):
    assert explain_set(explainer, table, tmp_path / "out.parquet", target="owl", against="cat", reference="mean") == 0
    paths = [table.parent / f"{number}.png" for number in range(NUMBER)]
    results = explainer(paths, "owl", against="cat", reference="mean")
    outcomes, arrays = read_outcomes(tmp_path / "out.parquet"), read_arrays(tmp_path / "out.npz")
    assert outcomes["label"].tolist() == ["cat", "dog", "owl", "owl", "cat", "dog", "dog"]
    assert set(outcomes["against"]) == {"cat"} and set(outcomes["target"]) == {"owl"}
    changed = ["label", "name"]
    pd.testing.assert_frame_equal(outcomes.drop(columns=changed), results.table().drop(columns=changed))
    noted = outcomes["notes"].tolist()
    assert noted.pop(3) == "transparent parts were put on white" and not any(noted)
    for number, result in enumerate(results):
        assert (arrays[str(number)] == result.pixels).all() and arrays[str(number)].dtype == np.float32
        assert (arrays[f"{number}.picture"] == result.picture).all()


def test_each_picture_has_its_own_target_in_whatever_part(explainer, table, tmp_path):
    targets = ["owl", "cat", None, "dog", "owl", "cat", "cat"]
    explain_set(explainer, table, tmp_path / "out.parquet", target=targets, part=2)
    assert check_set(explainer, table, target=targets)["samples"] == NUMBER
    paths = [table.parent / f"{number}.png" for number in range(NUMBER)]
    expected = [result.target for result in explainer(paths, targets)]
    assert read_outcomes(tmp_path / "out.parquet")["target"].tolist() == expected
    with pytest.raises(DomainError, match="2 targets for 7 pictures"):
        explain_set(explainer, table, tmp_path / "other.parquet", target=targets[:2], part=2)


def test_results_do_not_depend_on_where_a_set_is(explainer, table, tmp_path):
    def names_and_key(source, out):
        explain_set(explainer, source, tmp_path / out)
        metadata = pq.read_schema(tmp_path / out).metadata
        return read_outcomes(tmp_path / out)["name"].tolist(), {k: v for k, v in metadata.items() if k != b"pandas"}

    shutil.copytree(table.parent, tmp_path / "elsewhere")  # with times of modification
    relative = [f"{number}.png" for number in range(NUMBER)]
    here, there = (names_and_key(place, "t.parquet") for place in (table, tmp_path / "elsewhere/set.tsv"))
    assert here == there and here[0] == relative
    (tmp_path / "nested/inner").mkdir(parents=True)
    shutil.copy(table.parent / "0.png", tmp_path / "nested/inner/a.png")
    assert names_and_key(tmp_path / "nested", "f.parquet")[0] == ["inner/a.png"]
    absolute = str(table.parent / "0.png")
    (tmp_path / "one.csv").write_text(f"path\n{absolute}\n")
    assert names_and_key(tmp_path / "one.csv", "a.parquet")[0] == [absolute]
    assert names_and_key([absolute], "l.parquet")[0] == [absolute]


def test_shards_are_parts_of_the_whole_and_an_interrupted_run_resumes(explainer, table, tmp_path):
    explain_set(explainer, table, tmp_path / "whole.parquet")
    shards = [tmp_path / f"{number}.parquet" for number in (1, 2)]
    for number, shard in enumerate(shards, 1):
        explain_set(explainer, table, shard, shard=Shard(number, 2))
    assert gather_parts(shards, tmp_path / "gathered.parquet") == NUMBER
    whole, gathered = (read_arrays(tmp_path / f"{name}.npz") for name in ("whole", "gathered"))
    assert list(whole) == list(gathered) and all(np.allclose(whole[name], gathered[name]) for name in whole)
    whole, gathered = (read_outcomes(tmp_path / f"{name}.parquet") for name in ("whole", "gathered"))
    pd.testing.assert_frame_equal(whole, gathered)

    def interrupted(parts, description):
        yield from list(parts)[:2]
        raise KeyboardInterrupt

    out = tmp_path / "resumed.parquet"
    with pytest.raises(KeyboardInterrupt):
        explain_set(explainer, table, out, part=2, progress=interrupted)
    assert explain_set(explainer, table, out, part=2) == 4
    pd.testing.assert_frame_equal(read_outcomes(out), read_outcomes(tmp_path / "whole.parquet"))
    with pytest.raises(KeyboardInterrupt):
        explain_set(explainer, table, out, part=2, progress=interrupted)
    assert explain_set(explainer, table, out, part=2, target="dog") == 0  # another request


def of_network(seed=0, **settings):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))
    return ImageExplainer(network.eval(), **settings)


def divided(by):
    return lambda image: torch.from_numpy(np.asarray(image, np.float32) / by).permute(2, 0, 1)


def with_gamma(value):
    return lambda low, high: EPSILON_GAMMA_BOX(low, high).for_nodes({"convolution": gamma(value)})


CHANGED = {
    "rules": ({"rules": EPSILON}, {"rules": EPSILON.for_nodes({"dense": gamma(0.1)})}),
    "rules with bounds": ({"rules": EPSILON_GAMMA_BOX}, {"rules": deep_taylor}),
    "score": ({"score": "logit"}, {"score": "margin"}),
    "exclusive": ({}, {"exclusive": False}),
    "precision": ({}, {"precision": "bf16"}),
    "transform": ({}, {"transform": divided(510)}),
    "what the transform holds": ({"transform": divided(255)}, {"transform": divided(510)}),
    "rules of functions": ({"rules": with_gamma(0.1)}, {"rules": with_gamma(0.2)}),
    "score of functions": ({"score": lambda outputs: outputs[:, 0]}, {"score": lambda outputs: outputs[:, 1]}),
    "weights": ({"seed": 0}, {"seed": 1}),
    "reference": ({"reference": "black"}, {"reference": "white"}),
    "array": ({"reference": np.zeros((8, 10, 3))}, {"reference": np.ones((8, 10, 3))}),
    "picture": ({"reference": Image.new("RGB", (10, 8))}, {"reference": Image.new("RGB", (10, 8), "red")}),
    "tensors": ({"reference": [torch.zeros(3, 8, 10)]}, {"reference": [torch.ones(3, 8, 10)]}),
}


@pytest.mark.parametrize("name", CHANGED)
def test_parts_of_other_settings_are_not_reused(name, table, tmp_path):
    def interrupted(parts, _):
        yield next(iter(parts))
        raise KeyboardInterrupt

    before, after = CHANGED[name]
    for settings, reused in ((before, 2), (after, 0)):
        out = tmp_path / f"{reused}.parquet"
        with pytest.raises(KeyboardInterrupt):
            explain_set(of_network(**before), table.parent, out, part=2, progress=interrupted)
        explainer = of_network(**settings)
        check_set(explainer, table.parent)  # which finds the number of classes: no change
        assert explain_set(explainer, table.parent, out, part=2) == reused


def test_parts_are_reused_unless_the_file_of_the_reference_has_changed(table, tmp_path):
    def explained(**options):
        return explain_set(
            of_network(), table.parent, tmp_path / "out.parquet", part=2, reference=str(reference), **options
        )

    def interrupted(parts, _):
        yield next(iter(parts))
        raise KeyboardInterrupt

    reference = tmp_path / "reference.png"
    Image.new("RGB", (10, 8)).save(reference)
    for colour, reused in ((None, 2), ("red", 0)):
        with pytest.raises(KeyboardInterrupt):
            explained(progress=interrupted)
        if colour:
            Image.new("RGB", (10, 8), colour).save(reference)
        assert explained() == reused


def test_a_set_is_checked_before_long_work(explainer, table):
    summary = check_set(explainer, table)
    assert summary["samples"] == NUMBER and tuple(summary["size"]) == (8, 10)
    assert summary["labels"] == {"cat": 2, "dog": 3, "owl": 2}
    assert summary["notes"] == {"transparent parts were put on white": 1}
    assert check_set(explainer, table.parent)["labels"] == {}


def test_a_report_shows_examples_means_and_the_ledger(explainer, table, tmp_path):
    for name, options in (("plain", {}), ("against", {"reference": "blur"})):
        (tmp_path / name).mkdir()
        explain_set(explainer, table, tmp_path / name / "explained.parquet", **options)
    write_report([tmp_path / "plain", tmp_path / "against"], tmp_path / "r.html", title="Cats & dogs", examples=2)
    html = (tmp_path / "r.html").read_text()
    assert "<h1>Cats &amp; dogs</h1>" in html and ">plain</h2>" in html and ">against</h2>" in html
    for heading in ("Most confident", "Most wrong", "Closest calls", "Mean of each explained class"):
        assert html.count(f"<h3>{heading}</h3>") == 2
    outcomes = read_outcomes(tmp_path / "plain/explained.parquet")
    accuracy = (outcomes["label"] == outcomes["prediction"]).mean()
    assert f"<b>{accuracy:.1%}</b>" in html and "7</b><span>pictures" in html
    assert "of the reference = pixels" in html
    images = re.findall(r'<img src="data:image/[^"]+"[^>]* alt="([^"]+)"', html)
    assert len(images) == len(re.findall("<img", html)) and all(images)
    wrong = outcomes[outcomes["label"] != outcomes["prediction"]].sort_values("probability")["name"].iloc[-1]
    part = html.split("Most wrong")[1].split("Closest calls")[0]
    assert wrong in part


def test_what_a_target_is_contrasted_with_is_shown(explainer, table, tmp_path):
    path = table.parent / "0.png"
    result = explainer(path, "owl", against="cat")
    assert (result.against, result.explained) == ("cat", "owl against cat") and "owl against cat" in repr(result)
    assert explainer(path, "owl").against is None and explainer(path, "owl").explained == "owl"
    html = result.to_html()
    assert "explained owl against cat;" in html and "its pixels for owl against cat" in html
    (tmp_path / "set").mkdir()
    explain_set(explainer, table, tmp_path / "set/explained.parquet", target="owl", against="cat")
    write_report([tmp_path / "set"], tmp_path / "r.html", examples=1)
    html = (tmp_path / "r.html").read_text()
    assert "<figcaption>owl against cat</figcaption>" in html and "explained owl against cat;" in html


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        ({"target": ["owl", "cat", None, "dog", "owl", "owll", "cat"]}, "target of '5.png': .* did you mean 'owl'"),
        ({"target": ["owl"] * 6 + ["cat"], "against": "cat"}, "'6.png': target and against are both 'cat'"),
    ],
)
def test_a_wrong_class_of_a_later_picture_is_found_in_the_check(explainer, table, tmp_path, request_of, message):
    with pytest.raises(DomainError, match=message):
        check_set(explainer, table, **request_of)
    with pytest.raises(DomainError, match=message):
        explain_set(explainer, table, tmp_path / "out.parquet", part=1, **request_of)
    assert not list(tmp_path.iterdir())  # found before the first part


def test_a_report_of_pictures_of_several_sizes(explainer, tmp_path):
    for number, side in enumerate((8, 9, 10)):
        Image.new("RGB", (side, 8), (9 * side, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "results").mkdir()
    explain_set(explainer, tmp_path, tmp_path / "results/explained.parquet", target="cat")
    write_report([tmp_path / "results"], tmp_path / "r.html")
    assert "cat: the pictures are of several sizes" in (tmp_path / "r.html").read_text()
