"""``lrp-domains text``: one text explained in one line, and each step from a corpus to its report.

What a step needs is imported when it runs: transformers takes seconds, which ``--help`` needn't wait for.
"""

import typer

from . import corpora, demo, explain
from .one_line import TextFirst

text = typer.Typer(
    cls=TextFirst,
    no_args_is_help=True,
    help='Explain what text models say by the words they read: lrp-domains text "I loved it" --model FOLDER_OR_NAME',
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
