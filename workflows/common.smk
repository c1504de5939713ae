import functools
import hashlib
import json
import os
import shlex
import subprocess
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate


include: "sheets.smk"


# The rules of each domain, relative to the Snakefile; other packages add theirs through an entry point.
DOMAINS = {
    name: f"workflows/{name}.smk" for name in ("genes", "text", "images", "sequences")
}
PLUGINS = {}

if entry_points(group="lrp_domains.domains"):
    from lrp_domains.domain import (
        installed_domains,
    )  # imports torch, which takes seconds

    PLUGINS = {
        name: domain for name, domain in installed_domains().items() if domain.workflow
    }
    DOMAINS |= {name: str(domain.workflow) for name, domain in PLUGINS.items()}


def schema_of(name):
    """Read a schema, from a path relative to this file."""
    return yaml.safe_load(Path(workflow.source_path(name)).read_text())


def check(config, schema):
    """Raise with every mistake in the configuration, one per line, before any job runs; then fill in defaults."""
    drop_nulls(config)
    if not config:
        raise Mistakes(
            "no configuration; name one: snakemake --configfile configs/demo.yaml"
        )
    own = {name: value for name, value in config.items() if name not in PLUGINS}
    wrong = mistakes(own, schema_of(schema), "top level")
    for name in set(config) & set(PLUGINS):
        wrong += mistakes(config[name], PLUGINS[name].schema, name, f"{name}.")
    if not set(config) & set(DOMAINS):
        wrong.append(
            "nothing to explain; name cohorts (genes:), corpora (text:), pictures (images:) or sequences (sequences:)"
        )
    if wrong:
        raise Mistakes(f"the configuration does not fit workflows/{schema}", *wrong)
    validate(own, schema)
    config.update(own)


def drop_nulls(settings):
    """Remove settings that are null, in place: they are as good as unset."""
    for name, value in list(settings.items()):
        if value is None:
            del settings[name]
        elif isinstance(value, dict):
            drop_nulls(value)


def mistakes(settings, schema, top, prefix=""):
    """Return the mistakes in settings, each with its place."""
    wrong = []
    for error in Draft202012Validator(schema).iter_errors(settings):
        place = f"{prefix}{'.'.join(map(str, error.absolute_path))}"
        place = place if error.absolute_path else top
        if error.validator == "additionalProperties" and error.validator_value is False:
            known = error.schema.get("properties", {})
            wrong += [
                f"{place}: unknown setting '{name}'; {near(str(name), known)}"
                for name in error.instance
                if name not in known
            ]
        else:
            wrong.append(f"{place}: {error.message}")
    return wrong


def option(flag, value):
    """Return an option of a command; an empty string if its value is empty."""
    return f"{flag} {shlex.quote(str(value))}" if value not in ("", None) else ""


def options_of(rows, wildcard):
    """Return a function that makes options of a command from columns of a sheet: flag="column"."""

    def options(**flags):
        return lambda wildcards: " ".join(
            option(f"--{flag.replace('_', '-')}", rows[wildcards[wildcard]].get(column))
            for flag, column in flags.items()
        )

    return options


def settings_of(domain):
    """Return a function that makes options of a command from settings; unset ones have the command's default.

    The options are a function in turn, because Snakemake takes {x} in a parameter that is text for a wildcard.
    """

    def settings(section, *names):
        chosen = config[domain].get(section) or {}
        options = " ".join(
            option(f"--{name.replace('_', '-')}", chosen.get(name)) for name in names
        )
        return lambda wildcards: options

    return settings


def compared_of(domain):
    """Return the options of what is compared: the methods, and whether units are removed at random too."""
    evaluation = config[domain].get("evaluation", {})
    methods = [option("--method", name) for name in evaluation.get("methods", [])]
    return " ".join([*methods, *["--soft"] * evaluation.get("soft", False)])


def device(wildcards, resources):
    """Return the device of a job: a free GPU if it was granted one (--resources gpu=0 grants none)."""
    return "auto" if resources.gpu else "cpu"


# Snakemake evaluates `input.size_mb` again where it can't on the first try, with a warning that means nothing to users.
warnings.filterwarnings("ignore", "coroutine 'InputFiles", RuntimeWarning)


def consent(domain, *names):
    """Return a function that makes the options which allow a model's code to be executed.

    It takes resources, because Snakemake doesn't run a job again for the sake of a parameter that may depend on them: a
    consent changes no results.
    """
    allowed = " ".join(
        f"--{name.replace('_', '-')}" for name in names if config[domain].get(name)
    )
    return lambda wildcards, resources: allowed


def memory(least, per_mb=0, most=10**9):
    """Return a function that estimates a job's memory in MB, from the size of its input; more after a failure."""
    return lambda wildcards, input, attempt: int(
        attempt * min(least + per_mb * input.size_mb, most)
    )


def minutes(number):
    """Return a function that limits a job's time; longer after a failure."""
    return lambda wildcards, attempt: attempt * number


def first(files):
    """Return the first of some files; the others are read through it."""
    return files if isinstance(files, str) else next(iter(files or []), "")


def beside(path, name):
    """Return the path of a file in the same folder as another."""
    return os.path.join(os.path.dirname(path), name)


@functools.cache
def state_of(path):
    """Return a digest of a file, or of all files in a folder; an empty string if there is none yet.

    Snakemake itself notices a file that is newer than the results, but not an older one in its place, nor a change of a
    file in a folder. Small files are compared by content, others by size and time.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    files = [file for file in files if file.is_file() and not is_made(file)]
    states = [(str(file.relative_to(path)), state_of_file(file)) for file in files]
    return digest(states) if states else ""


def digest(states):
    """Return one digest of several states."""
    return hashlib.sha256(repr(states).encode()).hexdigest()


def state_of_file(file):
    """Return what changes with a file: its content if it is small, else its size and time."""
    state = file.stat()
    if state.st_size < 2**20:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return state.st_size, state.st_mtime_ns


def is_made(file):
    """Return whether a file in a folder of inputs was made by running what lies there."""
    return "__pycache__" in file.parts


def files_of_declaration(model, exist):
    """Return the files that a declared model is made of: code, network, weights, genes, tokens, arguments.

    `model` is the declaration, or a folder that has a ``model.yaml``; `exist` is whether the files are here. They are
    those that `lrp_domains.domain.model_files` finds, which may not be installed where Snakemake runs.
    """
    path = Path(model)
    if exist and (path / "model.yaml").is_file():
        path = path / "model.yaml"
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return []
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):  # the check reports it
        return []
    if not isinstance(declared, dict):
        return []
    network, is_code, _ = str(declared.get("network")).partition(":")
    tokens, arguments = (declared.get(key) for key in ("rank_tokens", "arguments"))
    tokens, arguments = (
        values if isinstance(values, dict) else {} for values in (tokens, arguments)
    )
    names = [declared.get(key) for key in ("weights", "genes")]
    names += [tokens.get(key) for key in ("dictionary", "medians")]
    names += [] if is_code else [network]
    files = [path.parent / name for name in names if isinstance(name, str)]
    # Otherwise they are of another rule or in a bucket; the declaration itself is here.
    if not exist:
        return [str(file) for file in files]
    files += [Path(value) for value in arguments.values() if isinstance(value, str)]
    if is_code:  # module:callable, whose code may import what is beside it
        package = path.parent / network.partition(".")[0]
        code = {
            *path.parent.glob("*.py"),
            *path.parent.glob("*/*.py"),
            *package.rglob("*"),
        }
        files += sorted(file for file in code if not is_made(file))
    return [str(file) for file in dict.fromkeys(files) if file.is_file()]


check(config, "schemas/config.schema.yaml")

# Raised when a release computes other numbers, so that earlier results are computed again.
RESULTS_VERSION = 2

# Where results go, for messages and hints; rules write <results>.
RESULTS = workflow.pathvars.apply("<results>")

# Where files are kept, if they aren't in the working directory: --default-storage-prefix.
BUCKET = workflow.storage_settings and workflow.storage_settings.default_storage_prefix


def place_of(path):
    """Return where a file of results is, for a message."""
    return f"{BUCKET.rstrip('/')}/{path}" if BUCKET else os.path.abspath(path)


# Jobs run the Python that runs Snakemake, so that no environment must be activated.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)

# Environments of conda hold what jobs need, but not this package: it is taken from the folder of the Snakefile.
repository = Path(workflow.basedir)
methods = [method.name for method in workflow.deployment_settings.deployment_method]
if "CONDA" in methods and repository.joinpath("lrp_domains", "__main__.py").is_file():
    os.environ.update(PYTHONPATH=str(repository))

# Jobs on this machine end with Snakemake, also if it is killed: lrp_domains/commands/ending.py reads this.
if sys.platform == "linux":
    proc = Path(os.sep, "proc")
    boot = proc.joinpath("sys", "kernel", "random", "boot_id").read_text().strip()
    space = os.readlink(proc / "self" / "ns" / "pid")
    os.environ.update(LRP_DOMAINS_END_WITH=f"{os.getpid()} {boot} {space}")
