"""All steps of one cohort in one command."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..console import say
from ..grouped import grouped
from . import cohort as steps
from . import explained
from . import options as o
from .across import report


@grouped(data=o.DATA, training=o.TRAINING, rare=o.RARE, explanation=o.EXPLANATION, reporting={"top": o.REPORT["top"]})
def run(
    cohort: o.Cohort,
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    data: dict,
    training: dict,
    rare: dict,
    explanation: dict,
    reporting: dict,
    labels: o.OptionalLabels = None,
    model: o.OtherModel = None,
    allow_pickle: o.AllowPickle = False,
    allow_code: o.AllowCode = False,
    select: o.Where = None,
    obs: o.Obs = None,
    keep_top: o.KeepTop = None,
    wilcoxon: o.Wilcoxon = None,
    order: o.Order = None,
    curves: Annotated[bool, typer.Option(help="Measure the deletion and insertion curves.")] = True,
) -> None:
    """Train (or load a model), explain, rank and report. Everything is checked before training."""
    from ...genes.cohorts.cohort import cohort_name

    if model is None and not labels:
        raise typer.BadParameter("name the column to learn (--labels), or a model (--model)")
    if model is not None:
        _refuse_training(labels, data | training | rare)

    consent = {"allow_pickle": allow_pickle, "allow_code": allow_code}
    name = cohort_name(cohort)
    cohort = _checked_cohort(
        cohort,
        out,
        choice={"where": select, "labels": labels, **rare},
        obs=obs,
        model=model,
        consent=consent,
        asked={"data": data, "training": training, "explanation": explanation, "wilcoxon": wilcoxon, "labels": labels},
    )
    if model is None:
        model = out / "model.pt"
        steps.train(
            cohort=cohort,
            labels=labels,
            out=model,
            performance=out / "performance.tsv",
            **data,
            **training,
            **{name: explanation[name] for name in ("donor", "gene_column", "device") if name in explanation},
        )

    unranked, ranked, table = out / ".relevance.h5ad", out / "explained.h5ad", out / "genes.parquet"
    loading = {"model": model, **consent}
    seed = {name: value for name, value in training.items() if name == "seed"}
    explained.explain(cohort=cohort, out=unranked, top=keep_top, **loading, **explanation)
    tables = {"table": [table, out / "genes.tsv"], "stability": out / "stability.tsv"}
    explained.rank(cohort=unranked, out=ranked, name=name, wilcoxon=wilcoxon, order=order, **tables, **seed)
    unranked.unlink()  # only now: if ranking fails, 'genes rank' can be run on it with other options

    measured = out / "curves.tsv"
    if curves:
        options = {name: explanation[name] for name in ("gene_column", "device") if name in explanation}
        explained.curves(cohort=ranked, table=table, out=measured, **loading, **options, **seed)
    else:
        measured.unlink(missing_ok=True)  # of an earlier run
    report(folders=[out], out=out / "report.html", title=name, **reporting)


def _refuse_training(labels: str | None, options: dict) -> None:
    """Raise if there are options of training, beside a model that is trained already."""
    ignored = [f"--{name.replace('_', '-')}" for name in options if name != "seed"]
    if labels is not None:
        ignored.append("--labels (the groups to rank are --groupby)")
    if ignored:
        raise typer.BadParameter(f"with --model nothing is trained; leave out {', '.join(ignored)}")


def _checked_cohort(
    cohort: Path, out: Path, *, choice: dict, obs: Path | None, model: Path | None, consent: dict, asked: dict
) -> Path:
    """Raise if anything would fail later; return the cohort, or the file that its chosen cells are written to.

    Formats whose matrices can't be read a chunk at a time are converted once too.
    """
    from ... import genes as library
    from ...genes.cohorts.files.on_disk import stays_on_disk

    _check_writable(out)
    steps.refuse_to_replace(cohort, out / "explained.h5ad")
    loaded = None if model is None else library.load_model(model, **consent)
    is_changed = obs is not None or any(choice[name] for name in choice if name != "labels")
    if not is_changed and stays_on_disk(cohort):
        with library.open_cohort(cohort) as adata:
            steps.checked(adata, model=loaded, **asked)
        return cohort

    steps.refuse_to_replace(cohort, out / "cohort.h5ad")
    adata = library.read_cohort(cohort, obs=obs)
    chosen = steps.chosen_cells(adata, **choice)
    if chosen.n_obs < adata.n_obs:
        say("selected", f"{chosen.n_obs} of {adata.n_obs} cells")
    steps.checked(chosen, model=loaded, **asked)
    library.write_cohort(chosen, out / "cohort.h5ad")
    return out / "cohort.h5ad"


def _check_writable(folder: Path) -> None:
    """Raise if a folder can't be made or written to."""
    from ...genes import CohortError

    folder = folder.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise CohortError(f"'{existing}' is a file, so nothing can be written to '{folder}'; name another with --out")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CohortError(f"no permission to write to '{existing}'; name another folder with --out")
