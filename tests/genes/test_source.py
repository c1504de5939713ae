"""The form of the source: few positional arguments, and defaults that are defined once."""

import ast
import builtins
import inspect
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_args

import pytest
import typer

from lrp_domains.commands.choices import Rules
from lrp_domains.commands.genes import compare, options
from lrp_domains.genes import Explanation, Training, consensus, curves, rank_on_disk, train, write_report
from lrp_domains.genes.cohorts.values.input_spec import NORMALISATIONS
from lrp_domains.genes.evaluation import DEFAULT, HOW, METHODS, compare_methods
from lrp_domains.genes.models.built_in import NETWORKS
from lrp_domains.genes.models.model import TASKS
from lrp_domains.genes.training.settings import PATIENCE, PATIENCE_IN_BATCHES

PACKAGE = Path(__file__).parents[2] / "lrp_domains"
FILES = sorted([*(PACKAGE / "genes").rglob("*.py"), *(PACKAGE / "commands" / "genes").rglob("*.py")])
# Functions of other packages, whose parameters are not ours to name.
FOREIGN = {"np", "pd", "torch", "nn", "sparse", "stats", *vars(builtins)}


def root_of(function: ast.expr) -> str:
    """Return the first name of ``np.random.default_rng``: ``np``."""
    while isinstance(function, (ast.Attribute, ast.Call, ast.Subscript)):
        function = function.func if isinstance(function, ast.Call) else function.value
    return function.id if isinstance(function, ast.Name) else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_call_has_more_than_three_positional_arguments(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and root_of(node.func) not in FOREIGN:
            assert len(node.args) <= 3, f"{path.name}:{node.lineno}: {ast.unparse(node)[:80]}"


def defaults_of(target) -> dict[str, object]:
    """Return the defaults of a dataclass or a function by name."""
    if inspect.isclass(target):
        return {field.name: field.default for field in fields(target) if field.default is not MISSING}
    return {name: parameter.default for name, parameter in inspect.signature(target).parameters.items()}


GROUPS = [
    (options.DATA, train),
    (options.TRAINING, Training),
    (options.EXPLANATION, Explanation),
    ({"top": options.KeepTop}, Explanation),
    (options.RANKING, rank_on_disk),
    (options.CURVES, curves),
    (options.CONSENSUS, consensus),
    (options.REPORT, write_report),
    (compare.COMPARISON, compare_methods),
]


@pytest.mark.parametrize(
    "name, annotation, target",
    [(name, annotation, target) for group, target in GROUPS for name, annotation in group.items()],
)
def test_help_texts_name_the_default_of_the_library(name, annotation, target):
    (option,) = (entry for entry in annotation.__metadata__ if isinstance(entry, typer.models.OptionInfo))
    default = defaults_of(target)[name]
    words = re.search(r"\(default ([^()]+)\)", option.help)
    if name == "rules":
        words = re.search(r"\(default: (\S+), or (\S+) with a reference\)", option.help)
        assert Rules(words[1]).rule_set is Explanation().rule_set
        assert Rules(words[2]).rule_set is Explanation(reference="mean").rule_set
    elif name == "target":
        assert words[1] == "predicted" and default is None
    elif name == "patience":  # a number, but at least that of some batches
        assert words is None and f"(default: {PATIENCE}, and at least {PATIENCE_IN_BATCHES} batches)" in option.help
    elif default is None or isinstance(default, bool):
        assert words is None
    else:
        assert words[1] == str(default)
    if default is True:
        assert re.search(r"\(default: (yes|Wilcoxon)\)", option.help)


def test_help_texts_of_settings_that_the_cohort_decides_name_what_it_decides():
    from lrp_domains.genes.training.settings import BULK_INPUT_DROPOUT, BULK_MEMBERS, resolved

    help_of = {name: annotation.__metadata__[0].help for name, annotation in options.TRAINING.items()}
    cells = resolved(Training(), rows=100, bulk=False, task="classes")
    transformer = resolved(Training(network="transformer"), rows=100, bulk=False, task="classes")
    assert f"{BULK_MEMBERS} for small bulk cohorts, else {cells.members}" in help_of["members"]
    assert f"{cells.hidden}, and {transformer.hidden} for a transformer" in help_of["hidden"]
    assert f"{BULK_INPUT_DROPOUT} for bulk, {cells.input_dropout} for cells" in help_of["input_dropout"]
    bulk = resolved(Training(), rows=60, bulk=True, task="classes", centred=True)
    many = resolved(Training(), rows=10_000, bulk=False, task="classes")
    assert f"{bulk.epochs} for bulk, else {cells.epochs}" in help_of["epochs"]
    assert f"{many.patience}, and at least {bulk.patience} batches" in help_of["patience"]  # bulk: one per epoch


def test_the_help_text_of_methods_names_all():
    help_of_methods = compare.COMPARISON["methods"].__metadata__[0].help
    default, others = re.search(r"\(default: (.*); .*\)\. Others: (.*)\.", help_of_methods).groups()
    assert tuple(default.split(", ")) == DEFAULT
    assert others.split(", ") == [name for name in METHODS if name not in DEFAULT]


@pytest.mark.parametrize(
    "choices, names",
    [
        (options.Network, NETWORKS),
        (options.Normalisation, NORMALISATIONS),
        (options.Task, TASKS),
        (compare.How, HOW),
    ],
)
def test_choices_of_the_command_line_are_those_of_the_library(choices, names):
    assert list(get_args(choices)) == list(names)
