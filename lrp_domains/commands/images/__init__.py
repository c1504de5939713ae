"""``lrp-domains images``: pictures explained in one line, and each step from a set of pictures to its report.

What a step requires is imported when it runs: transformers takes seconds to import, which would delay ``--help``.
"""

import typer

from . import demo, explain, sets
from .loading import STEPS

images = typer.Typer(
    no_args_is_help=True,
    help="Explain image classifiers by pixels: lrp-domains images explain cat.jpg --model NAME --html cat.html",
)
for command, name in (
    (explain.explain, "explain"),
    (demo.train_demo, "train-demo"),
    (demo.demo, "demo"),
    (sets.check, "check"),
    (STEPS.gather, "gather"),
    (sets.segments, "segments"),
    (STEPS.report("Pixels that decided the predictions"), "report"),
):
    images.command(name)(command)
