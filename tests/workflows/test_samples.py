"""Sets of pictures and of sequences in the workflow: what is planned, what is refused, and that it runs."""

import os
import re
import shlex
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from lrp_domains.demos.training import save_network

from .runs import ROOT, hashes, snakemake


def configured(folder, images=(), sequences=(), *, of_images=None, of_sequences=None):
    """Write sheets and a configuration."""
    config = {}
    for domain, name, rows, settings in (
        ("images", "picture_sets", images, of_images),
        ("sequences", "sequence_sets", sequences, of_sequences),
    ):
        if rows:
            pd.DataFrame(rows).fillna("").to_csv(folder / f"{name}.tsv", sep="\t", index=False)
            config[domain] = {name: f"{name}.tsv"} | (settings or {})
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def planned(folder, config, step):
    """Return the commands of a step that would run, each as a list of words."""
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=folder)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    lines = [line for line in (plan.stdout + plan.stderr).splitlines() if f"lrp_domains {step} " in line]
    return [shlex.split(line) for line in dict.fromkeys(lines)]


def value(command, option):
    return command[command.index(option) + 1] if option in command else None


def test_columns_and_settings_reach_the_check_and_the_explanation(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "x.fa").write_text(">a\nACGT\n")
    (tmp_path / "x.bed").write_text("a\t0\t4\n")
    rows = [
        {"name": "one", "path": "x.fa", "model": "model", "reference": "zeros"},
        {"name": "two", "path": "x.bed", "genome": "x.fa", "model": "a/name", "target": "open", "against": "it's"},
    ]
    rows[1] |= {"length": "60", "window": "20", "stride": "5"}
    explanation = {"reference": "shuffle", "references": 3, "rules": "secant", "reverse_complement": True, "seed": 0}
    explanation |= {"batch_size": 5, "length": 50, "window": 40}
    config = configured(tmp_path, sequences=rows, of_sequences={"explanation": explanation})
    for step in ("sequences check", "sequences explain"):
        commands = {value(command, "--model"): command for command in planned(tmp_path, config, step)}
        one, two = commands["model"], commands["a/name"]
        assert (value(one, "--reference"), value(two, "--reference")) == ("zeros", "shuffle")
        assert value(two, "--genome") == "x.fa" and value(two, "--target") == "open" and "--genome" not in one
        assert value(two, "--against") == "it's"
        of_windows = ("--length", "--window", "--stride")
        assert [value(one, name) for name in of_windows] == ["50", "40", None]
        assert [value(two, name) for name in of_windows] == ["60", "20", "5"]
        for command in (one, two):
            assert value(command, "--references") == "3" and value(command, "--seed") == "0"
            assert "--reverse-complement" in command and value(command, "--rules") == "secant"
            assert value(command, "--batch-size") == (None if "check" in step else "5")
            assert command[command.index("--") + 1] == ("x.fa" if command is one else "x.bed")


def test_a_set_is_shared_among_jobs_by_its_size(tmp_path):
    (tmp_path / "pictures").mkdir()
    for number in range(7):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(b"")
    rows = [{"name": "all", "path": "pictures", "model": "a/name"}]
    config = configured(tmp_path, rows, of_images={"explanation": {"shard_samples": 7}})
    assert len(planned(tmp_path, config, "images explain")) == 1
    # More than one job: how many, the check tells, so that only it is planned.
    config = configured(tmp_path, rows, of_images={"explanation": {"shard_samples": 3}})
    assert len(planned(tmp_path, config, "images check")) == 1 and not planned(tmp_path, config, "images explain")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "nowhere"}, "column path: there is no 'nowhere'"),
        ({"model": ""}, "column model: it is empty"),
        ({"name": "a b"}, "column name: 'a b' does not match"),
        ({"name": "demo_models"}, "'demo_models' is reserved"),
        ({"against": "dog"}, "'target' is a dependency of 'against'"),
        ({"modell": "x"}, "unknown column 'modell'; did you mean 'model'?"),
    ],
)
def test_a_wrong_sheet_is_refused_before_anything_runs(tmp_path, row, message):
    (tmp_path / "pictures").mkdir()
    config = configured(tmp_path, [{"name": "one", "path": "pictures", "model": "a/name"} | row])
    plan = snakemake("--dry-run", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 1 and message in plan.stdout + plan.stderr
    assert not (tmp_path / "results").exists()


def test_a_genome_that_is_missing_is_named(tmp_path):
    (tmp_path / "x.bed").write_text("a\t0\t4\n")
    config = configured(tmp_path, sequences=[{"name": "one", "path": "x.bed", "genome": "no.fa", "model": "a/name"}])
    plan = snakemake("--dry-run", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 1 and "column genome: there is no 'no.fa'" in plan.stdout + plan.stderr


def test_tracks_are_planned_for_the_sets_that_ask_for_them(tmp_path):
    (tmp_path / "x.fa").write_text(">a\nACGT\n")
    (tmp_path / "x.bed").write_text("a\t0\t4\n")
    one = {"path": "x.bed", "genome": "x.fa", "model": "a/name"}
    rows = [
        {"name": "both", "bigwig": "true", "modisco": "true"} | one,
        {"name": "letters", "path": "x.fa", "model": "a/name", "modisco": "true"},
        {"name": "neither", "bigwig": "false"} | one,
    ]
    config = configured(tmp_path, sequences=rows)
    checks = sorted(planned(tmp_path, config, "sequences check"), key=lambda command: value(command, "--out"))
    asked = [[name for name in ("--bigwig", "--modisco") if name in command] for command in checks]
    assert asked == [["--bigwig", "--modisco"], ["--modisco"], []]
    commands = planned(tmp_path, config, "sequences tracks")
    both, letters = sorted(commands, key=lambda command: command[-4])
    folder = "results/sequences/{}/tracks"
    assert value(both, "--genome") == "x.fa" and value(both, "--bigwig") == folder.format("both") + "/relevance.bw"
    assert value(both, "--modisco") == folder.format("both") + "/modisco"
    assert value(letters, "--modisco") == folder.format("letters") + "/modisco" and "--bigwig" not in letters
    assert both[both.index("--") + 1] == "results/sequences/both/explained.parquet"


def test_segments_are_planned_for_the_sets_that_name_masks(tmp_path):
    (tmp_path / "x.tsv").write_text("path\tmask\n1.png\t2.png\n")
    rows = [{"name": "with", "mask_column": "mask"}, {"name": "without"}]
    config = configured(tmp_path, [row | {"path": "x.tsv", "model": "a/name"} for row in rows])
    (command,) = planned(tmp_path, config, "images segments")
    assert value(command, "--out") == "results/images/with/segments.tsv"
    assert command[command.index("--") + 1] == "results/images/with/explained.parquet"
    for step in ("images check", "images explain"):
        assert [value(command, "--mask-column") for command in planned(tmp_path, config, step)].count("mask") == 1


@pytest.mark.parametrize("model", ["model", "model/model.yaml"])
def test_the_files_that_a_model_names_are_inputs(tmp_path, model):
    (tmp_path / "model").mkdir()
    declared = {"network": "nets:make", "weights": "../weights.pt", "arguments": {"table": "table.json", "size": 3}}
    (tmp_path / "model" / "model.yaml").write_text(yaml.safe_dump(declared))
    named = ["model/nets.py", "model/../weights.pt", "table.json"]
    for name in (*named, "x.fa"):
        (tmp_path / name).touch()
    config = configured(tmp_path, sequences=[{"name": "one", "path": "x.fa", "model": model}])
    plan = snakemake("--dry-run", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    inputs = re.findall(r"rule samples_(?:check|explain):\n    input: (.*)", plan.stdout + plan.stderr)
    assert len(inputs) == 2 and all(set(named) <= set(of_rule.split(", ")) for of_rule in inputs)


@pytest.mark.slow
def test_pictures_masks_and_references_are_inputs_by_content(tmp_path):
    """Not only the table that names them."""

    def draw(name, colour):
        path = tmp_path / "pictures" / name
        Image.new("L" if "mask" in name else "RGB", (8, 8), colour).save(path)
        os.utime(path, ns=(10**18, 10**18))  # as old as any other, as by mv

    def jobs():
        plan = snakemake("--dry-run", "--configfile", config, "--until", "samples_check", folder=tmp_path)
        assert plan.returncode == 0, plan.stdout + plan.stderr
        return set(re.findall(r"rule (\w+):", plan.stdout + plan.stderr))

    (tmp_path / "pictures").mkdir()
    for name in ("a.png", "b.png", "a mask.png", "b mask.png", "reference.png", "other.png"):
        draw(name, 1)
    table = "path, mask\na.png,a mask.png\n" + '"b.png",b mask.png\n'
    (tmp_path / "pictures" / "x.csv").write_text(table, encoding="utf-8-sig")
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    save_network(network.eval(), torch.zeros(2, 3, 8, 8), tmp_path / "model", "pictures", classes=["a", "b"])
    rows = [{"name": "x", "path": "pictures/x.csv", "model": "model/model.yaml", "mask_column": "mask"}]
    config = configured(tmp_path, rows, of_images={"explanation": {"reference": "pictures/reference.png"}})
    run = snakemake("--configfile", config, "--until", "samples_check", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not jobs()

    for name in ("b.png", "a mask.png", "reference.png"):
        draw(name, 0)
        assert jobs() == {"samples_check"}, name
        draw(name, 1)
        assert not jobs()
    draw("other.png", 0)
    assert not jobs()
    network = tmp_path / "model" / "network.pt2"
    network.write_bytes(network.read_bytes() + b"\0")
    os.utime(network, ns=(10**18, 10**18))
    assert jobs() == {"samples_check"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"path": "x.bed", "bigwig": "true"}, "column genome: it is empty"),
        ({"path": "x.fa", "bigwig": "true", "genome": "x.fa"}, "column path: 'x.fa' does not match"),
        ({"path": "x.bed", "genome": "x.fa", "modisco": "yes"}, "column modisco: 'yes' is not one of"),
    ],
)
def test_a_track_without_places_is_refused(tmp_path, row, message):
    (tmp_path / "x.fa").write_text(">a\nACGT\n")
    (tmp_path / "x.bed").write_text("a\t0\t4\n")
    config = configured(tmp_path, sequences=[{"name": "one", "model": "a/name"} | row])
    plan = snakemake("--dry-run", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 1 and message in plan.stdout + plan.stderr


def test_no_file_of_rules_takes_a_name_of_another():
    """All files share one namespace, in which the last definition would replace the others."""
    texts = [path.read_text() for path in (ROOT / "workflows").glob("*.smk")]
    names = [
        name for text in texts for name in re.findall(r"^(?:def )?(\w+)(?:\(.*\):$| = )", text, flags=re.MULTILINE)
    ]
    assert [name for name, count in Counter(names).items() if count > 1] == []


@pytest.mark.slow
def test_digits_are_explained_in_shards_and_nothing_runs_twice(tmp_path):
    rows = [{"name": "digits", "path": "demo", "model": "demo/cnn"}]
    # Batches of all shards are full, as those of one job are: others differ by rounding.
    explanation = {"shard_samples": 120, "batch_size": 8}
    settings = {"training": {"quick": True}, "explanation": explanation, "report": {"examples": 1}}
    config = configured(tmp_path, rows, of_images=settings)
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    results = tmp_path / "results" / "images"
    table = pd.read_parquet(results / "digits" / "explained.parquet")
    with np.load(results / "digits" / "explained.npz") as arrays:
        relevance = np.array([arrays[str(number)].sum() for number in table["sample"]])
    assert len(table) == 360 and (table["label"] == table["prediction"]).mean() > 0.8
    assert np.allclose(relevance + table["rest"], table["score"], atol=1e-3)
    assert len(list((results / "digits" / "benchmarks").glob("explain_*_of_3.tsv"))) == 3
    assert "Most confident" in (results / "report.html").read_text()

    before = hashes(tmp_path / "results")
    again = snakemake("--configfile", config, folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr
    settings["explanation"]["shard_samples"] = 1000
    assert snakemake("--configfile", configured(tmp_path, rows, of_images=settings), folder=tmp_path).returncode == 0
    assert before == hashes(tmp_path / "results")


@pytest.mark.slow
def test_sequences_are_explained_to_a_report(tmp_path):
    rows = [{"name": "motifs", "path": "demo", "model": "demo/cnn", "modisco": "true"}]
    explanation = {"reference": "shuffle", "references": 2}
    settings = {"training": {"quick": True}, "explanation": explanation}
    config = configured(tmp_path, sequences=rows, of_sequences=settings)
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    table = pd.read_parquet(tmp_path / "results" / "sequences" / "motifs" / "explained.parquet")
    assert np.allclose(table["rest"], 0, atol=1e-3) and table["reference_score"].notna().all()
    assert (tmp_path / "results" / "sequences" / "report.html").is_file()
    modisco = tmp_path / "results" / "sequences" / "motifs" / "tracks" / "modisco"
    assert np.load(modisco / "contributions.npz")["arr_0"].shape == (len(table), 4, 80)


def test_the_workflow_passes_no_option_that_a_command_lacks():
    import typer

    from lrp_domains.command_line import app

    groups = typer.main.get_command(app).commands
    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())["properties"]
    for domain in ("images", "sequences"):
        for section, step in (("training", "train-demo"), ("explanation", "explain"), ("report", "report")):
            options = {name for one in groups[domain].commands[step].params for name in one.opts}
            for name in schema[domain]["properties"][section]["properties"]:
                assert name == "shard_samples" or f"--{name.replace('_', '-')}" in options, (domain, section, name)
