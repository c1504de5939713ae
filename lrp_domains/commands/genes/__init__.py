"""``lrp-domains genes``: each step from cohorts to their report, and all steps of a cohort in one command.

The imports of a step are inside its function: anndata and scanpy take seconds, which ``--help`` doesn't wait for. Names
are imported before a clock starts, which would count their import as reading or ranking.
"""

import typer

from . import across, cohort, compare, explained, run

genes = typer.Typer(no_args_is_help=True, help="Explain models of cells or patients by the genes they rely on.")
for command, name in (
    (cohort.select, "select"),
    (cohort.check, "check"),
    (cohort.train, "train"),
    (explained.explain, "explain"),
    (explained.gather, "gather"),
    (explained.rank, "rank"),
    (explained.curves, "curves"),
    (compare.compare, "compare"),
    (across.consensus, "consensus"),
    (across.enrich, "enrich"),
    (across.page, "page"),
    (across.report, "report"),
    (run.run, "run"),
):
    genes.command(name)(command)
