"""Settings and columns reach the commands that the rules run."""

import re
import shlex

import pandas as pd
import pytest
import yaml

from lrp_domains.genes.evaluation import METHODS as of_genes
from lrp_domains.text.evaluation import METHODS as of_texts

from .runs import ROOT, configured, snakemake, written


def test_groups_to_merge_are_named_by_their_size(tmp_path):
    config = configured(tmp_path, written(tmp_path, "made", rare="other"))
    plan = snakemake("--dry-run", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 1 and "cohort 'made': rare merges groups of fewer" in plan.stdout + plan.stderr
    config = configured(tmp_path, written(tmp_path, "made", rare="other"), training={"least_cells": 5})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    select = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes select" in line)
    assert "--labels group --least-cells 5 --rare other" in select


def test_the_reference_of_a_cohort_takes_precedence_over_that_of_all(tmp_path):
    rows = written(tmp_path, "one", "two")
    rows[0]["reference"] = "Naive T"
    config = configured(tmp_path, rows, explanation={"reference": "mean", "rules": "secant-half"})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    commands = [line for line in (plan.stdout + plan.stderr).splitlines() if "genes explain" in line]
    assert sorted(re.search(r"--reference ('[^']+'|\S+)", line)[1] for line in commands) == ["'Naive T'", "mean"]
    assert all("--rules secant-half" in line for line in commands)


def test_settings_without_a_value_have_the_default_of_the_command(tmp_path):
    rows = written(tmp_path, "made")
    config = configured(tmp_path, rows, training={"folds": None, "epochs": 60, "members": None}, gene_sets=None)
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    training = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes train" in line)
    assert "--epochs 60" in training
    assert "--folds" not in training and "--members" not in training


def test_a_corpus_is_checked_and_explained_against_the_reference(tmp_path):
    config = {"text": {"corpora": "configs/demo_corpora.tsv", "explanation": {"reference": "a b", "on_error": "skip"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    lines = (plan.stdout + plan.stderr).splitlines()
    for step in ("text check", "text explain"):
        command = next(line for line in lines if step in line)
        assert "--reference 'a b'" in command and "--on-error skip" in command


def test_text_models_of_any_task_are_explained(tmp_path):
    """Settings of a model are columns of its row; they reach the check and the explanation."""
    (tmp_path / "x.csv").write_text("text\nfine\n")
    sheet = [
        {"name": "topics", "path": "x.csv", "model": "some/nli", "task": "zero-shot-classification",
         "candidates": "sports; world news", "template": "It's about {}.", "multi_label": "true"},
        {"name": "moods", "path": "x.csv", "model": "some/moods", "problem_type": "multi_label_classification"},
        {"name": "names", "path": "x.csv", "model": "some/tagger", "aggregation": "first", "no_answer": "false"},
    ]  # fmt: skip
    pd.DataFrame(sheet).to_csv(tmp_path / "corpora.tsv", sep="\t", index=False)
    explanation = {"long": "windows", "long_text": "second", "window": 100, "stride": 0}
    config = {"text": {"corpora": "corpora.tsv", "explanation": explanation}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    lines = (plan.stdout + plan.stderr).splitlines()
    for step in ("text check", "text explain"):
        commands = {re.search("some/([a-z]+)", line)[1]: shlex.split(line) for line in lines if step in line}
        for command in commands.values():
            words = " ".join(command)
            assert "--long-text second --window 100 --stride 0" in words and "--no-answer" not in command
        zero_shot = ["--task", "zero-shot-classification", "--template", "It's about {}."]
        zero_shot += ["--candidate", "sports", "--candidate", "world news", "--multi-label"]
        start = commands["nli"].index("--task")
        assert commands["nli"][start : start + len(zero_shot)] == zero_shot
        assert "multi_label_classification" in commands["moods"] and "--candidate" not in commands["moods"]
        assert commands["tagger"][commands["tagger"].index("--aggregation") + 1] == "first"


def test_methods_are_compared_only_if_the_configuration_asks_for_it(tmp_path):
    rows = written(tmp_path, "made")
    without = configured(tmp_path, rows)
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", without, folder=tmp_path)
    assert "genes compare" not in plan.stdout + plan.stderr
    config = configured(tmp_path, rows, evaluation={"cells": 5, "methods": ["attn-lrp", "gradient"], "how": "mean"})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    command = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes compare" in line)
    assert "--method attn-lrp --method gradient" in command
    assert "--cells 5" in command and "--how mean" in command and "--soft" not in command
    config = configured(tmp_path, rows, evaluation={"cells": 5, "soft": True})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    command = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes compare" in line)
    assert "--soft" in command and "--method" not in command


def test_the_order_of_a_ranking_reaches_its_command(tmp_path):
    config = configured(tmp_path, written(tmp_path, "made"), ranking={"order": "mean"})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    command = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes rank" in line)
    assert "--order mean" in command


@pytest.mark.parametrize(("domain", "methods"), [("genes", of_genes), ("text", of_texts)])
def test_the_schema_knows_all_methods(domain, methods):
    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())
    evaluation = schema["properties"][domain]["properties"]["evaluation"]["properties"]
    assert set(evaluation["methods"]["items"]["enum"]) == set(methods)
