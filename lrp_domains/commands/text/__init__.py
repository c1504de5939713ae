"""``lrp-domains text``: texts explained in one line, and each step from a corpus to its report.

What a step requires is imported when it runs: transformers takes seconds to import, which would delay ``--help``.
"""

import typer

from . import corpora, demo, explain
from .one_line import TextFirst

text = typer.Typer(
    cls=TextFirst,
    no_args_is_help=True,
    help='Explain the predictions of text models by words: lrp-domains text "I loved it" --model FOLDER_OR_NAME',
)
for command, name in (
    (explain.explain, "explain"),
    (demo.train_demo, "train-demo"),
    (corpora.check, "check"),
    (corpora.gather, "gather"),
    (corpora.words, "words"),
    (corpora.report, "report"),
):
    text.command(name)(command)
