import os
import sys
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate


def check(config, schema):
    """Say everything that is wrong with the configuration, a line each, before any job runs; then fill in defaults."""
    if not config:
        raise WorkflowError(
            "no configuration; name one: snakemake --configfile configs/demo.yaml"
        )
    rules = yaml.safe_load(Path(workflow.source_path(schema)).read_text())
    wrong = [
        f"{'.'.join(map(str, error.absolute_path)) or 'top level'}: {error.message}"
        for error in Draft202012Validator(rules).iter_errors(config)
    ]
    if wrong:
        raise WorkflowError(
            f"the configuration does not fit workflows/{schema}", *wrong
        )
    validate(config, schema)


check(config, "schemas/config.schema.yaml")

# Jobs run the Python that runs Snakemake, so that no environment need be activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)


def gene_reports():
    """Give the reports of all cohorts in the configuration."""
    return expand(
        "results/genes/{cohort}/report.html", cohort=config["genes"]["cohorts"]
    )


def cohort_file(wildcards):
    """Give a cohort's own file, or the one that the demo cohort is written to."""
    source = config["genes"]["cohorts"][wildcards.cohort]["source"]
    if source == "pbmc68k_reduced":
        return f"results/genes/{wildcards.cohort}/cohort.h5ad"
    return source


def cohort_setting(name):
    """Give an input function for one setting of a cohort."""
    return lambda wildcards: config["genes"]["cohorts"][wildcards.cohort][name]


def device(wildcards, resources):
    """Give the device of a job: the GPU if it was granted one (--resources gpu=0 takes all back)."""
    return "cuda" if resources.gpu else "cpu"
