"""``lrp-domains text``: texts explained in one line, and each step from a corpus to its report.

What a step requires is imported when it runs: transformers takes seconds to import, which would delay ``--help``.
"""

import typer

from . import compare, corpora, demo, explain
from .group import TextCommands
from .text_arguments import TextArguments

text = typer.Typer(
    cls=TextCommands,
    no_args_is_help=True,
    help='Explain predictions of text models by words: lrp-domains text explain "I loved it" --model FOLDER_OR_NAME',
)
text.command("explain", cls=TextArguments)(explain.explain)
for command, name in (
    (demo.train_demo, "train-demo"),
    (corpora.check, "check"),
    (corpora.gather, "gather"),
    (corpora.words, "words"),
    (corpora.report, "report"),
    (compare.compare, "compare"),
):
    text.command(name)(command)
