"""All steps of one cohort in one command."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from ..grouped import grouped
from . import options as o
from .across import report
from .cohort import curves, explain, rank, select, train


@grouped(data=o.DATA, training=o.TRAINING, explanation=o.EXPLANATION, reporting={"top": o.REPORT["top"]})
def run(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    data: dict,
    training: dict,
    explanation: dict,
    reporting: dict,
    labels: o.OptionalLabels = None,
    model: o.OtherModel = None,
    allow_pickle: o.AllowPickle = False,
    keep_top: o.KeepTop = None,
    wilcoxon: o.Wilcoxon = None,
) -> None:
    """Train (or load a model), explain, rank and report."""
    if model is None and not labels:
        raise typer.BadParameter("name the column to learn (--labels), or a model (--model)")

    def shared(options: dict, *names: str) -> dict:
        return {name: options[name] for name in names if name in options}

    _check(cohort, labels, explanation)
    name = cohort.stem
    if str(cohort) == "pbmc68k_reduced":
        select(cohort=cohort, out=out / "cohort.h5ad")
        cohort = out / "cohort.h5ad"
    if model is None:
        model = out / "model.pt"
        train(
            cohort=cohort,
            labels=labels,
            out=model,
            performance=out / "performance.tsv",
            **data,
            **training,
            **shared(explanation, "donor", "device"),
        )

    unranked, ranked, table = out / ".relevance.h5ad", out / "explained.h5ad", out / "genes.parquet"
    loading, seed = {"model": model, "allow_pickle": allow_pickle}, shared(training, "seed")
    explain(cohort=cohort, out=unranked, top=keep_top, **loading, **explanation)
    tables = {"table": [table, out / "genes.tsv"], "stability": out / "stability.tsv"}
    rank(cohort=unranked, out=ranked, name=name, wilcoxon=wilcoxon, **tables, **seed)
    unranked.unlink()  # only now: if ranking fails, 'genes rank' can be run on it with other options

    measured = shared(explanation, "gene_column", "device")
    curves(cohort=ranked, table=table, out=out / "curves.tsv", **loading, **measured, **seed)
    report(folders=[out], out=out / "report.html", title=name, **reporting)


def _check(cohort: Path, labels: str | None, explanation: dict) -> None:
    """Raise if the cohort can't be explained as asked, as far as that is known before networks are trained."""
    from ... import genes as library
    from ...genes.explanation.reference import check_reference_of

    request = library.Explanation(**explanation)
    column = request.groupby or labels
    if request.reference is None or column is None:
        return
    opened = nullcontext(library.demo_cohort()) if str(cohort) == "pbmc68k_reduced" else library.open_cohort(cohort)
    with opened as adata:
        values = adata.obs.get(column)
        if values is not None and values.dtype.kind != "f":  # other checks name a missing column
            groups = sorted(values.dropna().astype(str).unique())
            check_reference_of(request.reference, adata.obs, groups=groups, groupby=column, donor=request.donor)
