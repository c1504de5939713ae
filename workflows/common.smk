import os
import shlex
import sys
from pathlib import Path

import pandas as pd
import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate


def schema_of(name):
    """Read a schema that lies beside this file."""
    return yaml.safe_load(Path(workflow.source_path(name)).read_text())


def check(config, schema):
    """Say everything that is wrong with the configuration, a line each, before any job runs; then fill in defaults."""
    if not config:
        raise WorkflowError(
            "no configuration; name one: snakemake --configfile configs/demo.yaml"
        )
    neither = "nothing to explain; name cohorts (genes:), corpora (text:), or both"
    wrong = [
        f"{'.'.join(map(str, error.absolute_path)) or 'top level'}: "
        + (neither if error.validator == "anyOf" else error.message)
        for error in Draft202012Validator(schema_of(schema)).iter_errors(config)
    ]
    if wrong:
        raise WorkflowError(
            f"the configuration does not fit workflows/{schema}", *wrong
        )
    validate(config, schema)


def read_sheet(domain, name, made):
    """Read a sheet, one row a cohort or corpus; say everything that is wrong with it, by row and column.

    ``name`` is that of the setting and of the schema; a path ``made`` is no file, but comes with the package.
    """
    path, exist = config[domain][name], config[domain][f"{name}_exist"]
    found = Path(path) if Path(path).exists() else Path(workflow.basedir).joinpath(path)
    if not found.is_file():
        raise WorkflowError(
            f"there is no sheet '{path}', neither here nor beside the Snakefile"
        )
    rules = schema_of(f"schemas/{name}.schema.yaml")
    table = pd.read_csv(found, sep="\t", dtype=str, keep_default_na=False, comment="#")
    rows, wrong = {}, []
    table = table.fillna("")  # of rows with fewer cells than the head
    for number, given in enumerate(table.to_dict("records"), 2):
        row = {
            column.strip(): value.strip()
            for column, value in given.items()
            if value.strip()
        }
        called = row.get("name", "")
        for error in Draft202012Validator(rules).iter_errors(row):
            column = ".".join(map(str, error.absolute_path))
            about = rules["properties"].get(column, {}).get("description", "")
            wrong.append(
                f"row {number} ('{called}'){f', column {column}' if column else ''}: {error.message}."
                f" {about}".rstrip()
            )
        if called in rows:
            wrong.append(
                f"row {number} ('{called}'), column name: used before; give each row a name of its own"
            )
        if exist and row.get("path", made) != made and not Path(row["path"]).exists():
            wrong.append(
                f"row {number} ('{called}'), column path: there is no '{row['path']}' in {os.getcwd()}; "
                f"mend the path, or set {name}_exist: false if a rule makes it"
            )
        rows[called] = {
            column: rule["default"]
            for column, rule in rules["properties"].items()
            if "default" in rule
        } | row
    if not len(table):
        wrong.append(f"no rows; write one for each of the {name}")
    if wrong:
        raise WorkflowError(f"the sheet '{path}' has mistakes", *wrong)
    return rows


def option(flag, value):
    """Give an option of a command, or nothing where its value is empty."""
    return f"{flag} {shlex.quote(str(value))}" if value not in ("", None) else ""


def options_of(rows, wildcard):
    """Give a function that makes options of a command from columns of a sheet: flag="column"."""

    def options(**flags):
        return lambda wildcards: " ".join(
            option(f"--{flag.replace('_', '-')}", rows[wildcards[wildcard]].get(column))
            for flag, column in flags.items()
        )

    return options


def settings_of(domain):
    """Give a function that makes options of a command from settings of the configuration."""

    def settings(section, *names):
        return " ".join(
            option(f"--{name.replace('_', '-')}", config[domain][section][name])
            for name in names
        )

    return settings


def device(wildcards, resources):
    """Give the device of a job: the GPU if it was granted one (--resources gpu=0 takes all back)."""
    return "cuda" if resources.gpu else "cpu"


check(config, "schemas/config.schema.yaml")

# Jobs run the Python that runs Snakemake, so that no environment need be activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)
