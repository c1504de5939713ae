"""``lrp-domains sequences``: sequences explained in one line, and each step from a set of sequences to its report.

What a step requires is imported when it runs: transformers takes seconds to import, which would delay ``--help``.
"""

import typer

from . import demo, explain, sets, tracks
from .loading import STEPS

sequences = typer.Typer(
    no_args_is_help=True,
    help="Explain models of DNA and proteins by letters: lrp-domains sequences explain peaks.bed --genome hg38.fa "
    "--model FOLDER --out explained.parquet",
)
for command, name in (
    (explain.explain, "explain"),
    (demo.train_demo, "train-demo"),
    (demo.demo, "demo"),
    (sets.check, "check"),
    (STEPS.gather, "gather"),
    (STEPS.report("Letters that decided the predictions"), "report"),
    (tracks.tracks, "tracks"),
):
    sequences.command(name)(command)
