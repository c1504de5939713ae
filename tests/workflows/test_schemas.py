"""The schemas of the configuration and the sheets: settings are described, defaults and choices are the library's."""

import inspect
from typing import get_args

import yaml

from .runs import ROOT


def test_every_setting_and_column_is_described():
    def described(schema, path):
        for name, one in schema.get("properties", {}).items():
            assert len(one.get("description", "")) > 10, f"{path}.{name} has no description"
            described(one, f"{path}.{name}")

    for name in ("config", "cohorts", "corpora", "picture_sets", "sequence_sets"):
        described(yaml.safe_load((ROOT / "workflows" / "schemas" / f"{name}.schema.yaml").read_text()), name)


def test_the_defaults_in_the_descriptions_are_those_of_the_library():
    from lrp_domains import genes, text
    from lrp_domains.demos.text import train_demo
    from lrp_domains.text.report import write_report

    def defaults(function, *names):
        return {name: inspect.signature(function).parameters[name].default for name in names}

    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())["properties"]
    for domain, section, values in (
        ("genes", "training", defaults(genes.Training, "network", "folds", "seed")),
        ("genes", "explanation", {"target": "predicted", **defaults(genes.Explanation, "score")}),
        ("genes", "ranking", defaults(genes.curves, "most")),
        ("genes", "consensus", defaults(genes.consensus, "top", "least_cohorts")),
        ("genes", "report", defaults(genes.write_report, "title", "top")),
        ("text", "training", defaults(train_demo, "seed")),
        ("text", "explanation", defaults(text.Settings, "score")),
        ("text", "words", defaults(text.class_words, "top", "fewest")),
        ("text", "report", defaults(write_report, "title", "top", "examples")),
    ):
        for name, value in values.items():
            rule = schema[domain]["properties"][section]["properties"][name]
            assert "default" not in rule
            assert f"({value})" in rule["description"] or f"(default {value})" in rule["description"], (section, name)


def test_the_rule_sets_of_the_schema_are_those_of_the_command_line():
    from lrp_domains.commands.choices import Rules

    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())["properties"]
    rules = schema["genes"]["properties"]["explanation"]["properties"]["rules"]
    assert rules["enum"] == [str(name) for name in Rules]


def test_the_rule_sets_of_pictures_are_those_of_the_command_line():
    from lrp_domains.commands.images.options import Rules

    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())["properties"]
    rules = schema["images"]["properties"]["explanation"]["properties"]["rules"]
    assert rules["enum"] == list(get_args(Rules))
