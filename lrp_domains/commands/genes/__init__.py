"""``lrp-domains genes``: each step from cohorts to their report, and all of them in one go.

What a step needs is imported when it runs: anndata and scanpy take seconds, which ``--help`` needn't wait for.
"""

import typer

from . import across, cohort, run

genes = typer.Typer(no_args_is_help=True, help="Explain models of cells or patients by the genes they rest on.")
for command, name in (
    (cohort.select, "select"),
    (cohort.check, "check"),
    (cohort.train, "train"),
    (cohort.explain, "explain"),
    (cohort.rank, "rank"),
    (cohort.curves, "curves"),
    (across.consensus, "consensus"),
    (across.enrich, "enrich"),
    (across.report, "report"),
    (run.run, "run"),
):
    genes.command(name)(command)
