"""``lrp-domains workflow``: a folder to fill in, and the workflow on a laptop, GPUs or a cluster."""

import importlib.util
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import LrpError
from ..workflow_files import snakefile, workflow_folder
from .console import say

SNAKEFILE = """# Runs the workflow that is installed with lrp_domains: lrp-domains workflow run
from lrp_domains.workflow_files import snakefile


configfile: "configs/config.yaml"


include: snakefile()


rule everything:
    default_target: True
    input:
        rules.all.input,
"""
# The sheets list the demo data, so that the workflow runs before they are filled in.
FILES = {
    "configs/config.yaml": "configs/config.yaml",
    "configs/cohorts.tsv": "configs/demo_cohorts.tsv",
    "configs/corpora.tsv": "configs/demo_corpora.tsv",
    "configs/picture_sets.tsv": "configs/demo_picture_sets.tsv",
    "configs/sequence_sets.tsv": "configs/demo_sequence_sets.tsv",
    "configs/README.md": "configs/README.md",
}
# What a profile needs besides Snakemake: modules, and what installs them.
PLUGINS = {
    "slurm": (["snakemake_executor_plugin_slurm"], "'lrp-domains[slurm]'"),
    "kubernetes": (
        ["snakemake_executor_plugin_kubernetes", "snakemake_storage_plugin_s3"],
        "snakemake-executor-plugin-kubernetes snakemake-storage-plugin-s3",
    ),
}

workflow = typer.Typer(no_args_is_help=True, help="Run all steps for many cohorts and corpora with Snakemake.")


@workflow.command()
def init(folder: Annotated[Path, typer.Argument(help="The folder to write to; it is made if it is missing.")]) -> None:
    """Write a Snakefile, a configuration and sheets to fill in; they list the demo data."""
    from ..domain import DomainError, whole_file

    texts = {"Snakefile": SNAKEFILE}
    texts |= {name: (workflow_folder() / source).read_text() for name, source in FILES.items()}
    texts["configs/README.md"] = _with_links_to(workflow_folder() / "configs", texts["configs/README.md"])
    if present := [name for name in texts if (folder / name).exists()]:
        raise DomainError(f"'{folder}' has {', '.join(present)} already; name another folder")
    for name, text in texts.items():
        with whole_file(folder / name) as temporary:
            temporary.write_text(text)
    enter = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    say("written", f"{', '.join(texts)}; next: {enter}lrp-domains workflow run")


def _with_links_to(folder: Path, text: str) -> str:
    """Return a page whose relative links lead to files in a folder."""
    return re.sub(r"\]\((?!\w+:)([^)]+)\)", lambda link: f"]({os.path.normpath(folder / link[1])})", text)


@workflow.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    ctx: typer.Context,
    on: Annotated[
        Literal["laptop", "gpus", "slurm", "kubernetes"],
        typer.Option(help="Where jobs run: the profile in workflows/profiles."),
    ] = "laptop",
    profile: Annotated[Path | None, typer.Option(help="A profile of yours instead, such as an edited copy.")] = None,
) -> None:
    """Run the Snakefile in this folder, or else the installed one; other options are Snakemake's.

    Such as --dry-run, --cores 4, --configfile config.yaml, --resources gpu=2.
    """
    _check_installed(None if profile else on)
    own = Path("Snakefile")
    if not own.is_file() and not any(argument.startswith("--configfile") for argument in ctx.args):
        raise LrpError("no Snakefile here; write one with 'lrp-domains workflow init .', or name a --configfile")
    profile = profile or workflow_folder() / "workflows" / "profiles" / on
    if not profile.is_dir():
        raise LrpError(f"there is no profile '{profile}', a folder with profile.yaml")
    for path in _configurations(ctx.args):
        if not os.path.isfile(path):
            raise LrpError(f"there is no configuration '{path}'")
    command = [sys.executable, "-P", "-m", "snakemake", "--workflow-profile", str(profile)]
    command += ["--snakefile", str(own) if own.is_file() else snakefile(), *ctx.args]
    os.execv(sys.executable, command)


def _check_installed(on: str | None) -> None:
    """Raise if Snakemake, or a plugin of one of our profiles, is missing."""
    if importlib.util.find_spec("snakemake") is None:
        raise LrpError("Snakemake is not installed: pip install 'lrp-domains[workflows]'")
    modules, packages = PLUGINS.get(on, ([], ""))
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise LrpError(f"'{module.replace('_', '-')}' is not installed: pip install {packages}")


def _configurations(arguments: list[str]) -> list[str]:
    """Return the files that follow ``--configfile`` and ``--configfiles`` among Snakemake's options."""
    paths, reading = [], False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.startswith("--configfile"):
            reading = True
            paths += [value] if equals else []
        elif argument.startswith("-"):
            reading = False
        elif reading:
            paths.append(argument)
    return paths
