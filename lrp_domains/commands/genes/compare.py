"""Methods of explanation compared on a cohort."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o
from .cohort import inputs_of

How = Literal["zero", "mean", "permuted"]
COMPARISON = {
    "methods": Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="Method to compare; repeat for several (default: attn-lrp, secant, secant-mean, gradient, "
            "integrated-gradients, integrated-gradients-mean, differential-expression, random; as far as they fit the "
            "model). Others: cp-lrp, epsilon, epsilon-plus, gamma, alpha-beta, smooth-gradient, gradient-shap, "
            "deeplift, kernel-shap, occlusion.",
        ),
    ],
    "cells": Annotated[
        int | None, typer.Option(min=1, help="Cells of each group to compare on, drawn at random (default 50).")
    ],
    "how": Annotated[
        How | None,
        typer.Option(
            help="What removed genes are read as: zero (not expressed; of z-scores the mean), mean (of the cohort) or "
            "permuted (the value of another random cell) (default zero)."
        ),
    ],
    "soft": Annotated[
        bool | None,
        typer.Option("--soft", help="Also remove genes at random, by relevance: Soft-NC and Soft-NS (takes longer)."),
    ],
    "seed": Annotated[int | None, typer.Option(min=0, help="Seed of which cells are drawn (default 0).")],
}
MARKERS = {
    "path": Annotated[
        Path | None,
        typer.Option(
            "--markers",
            help="Known markers of the classes: a .gmt file with a set per class, or a table, .csv or .tsv, with a row "
            "per marker (default: none).",
        ),
    ],
    "group": Annotated[
        str | None,
        typer.Option("--marker-group", help="The column of that table with the classes (default cell type)."),
    ],
    "gene": Annotated[
        str | None, typer.Option("--marker-gene", help="The column of that table with the genes (default gene).")
    ],
}
SETTINGS = {name: o.EXPLANATION[name] for name in ("groupby", "score", "gene_column", "batch_size", "device")}


@grouped(comparison=COMPARISON, markers=MARKERS, settings=SETTINGS)
def compare(
    cohort: o.Cohort,
    model: o.Model,
    out: Annotated[Path, typer.Option(help="The folder to write: comparison.html, and its tables.")],
    comparison: dict,
    markers: dict,
    settings: dict,
    allow_pickle: o.AllowPickle = False,
    allow_code: o.AllowCode = False,
) -> None:
    """Compare methods of explanation: which finds the genes that the model used? An interrupted run resumes."""
    from ... import __version__
    from ...domain import Clock, fingerprints, require_space, resumable, unchanged
    from ...evaluation.page import write_comparison
    from ...genes import load_model, open_cohort
    from ...genes.cohorts.cohort import cohort_name
    from ...genes.evaluation import check_methods, compare_methods

    check_methods(comparison.get("methods", ()))
    known = _markers(markers)
    require_space(out, is_folder=True)
    clock, inputs = Clock(), inputs_of(cohort, model)
    verify = unchanged(inputs)
    with clock("loading"):
        loaded = load_model(model, allow_pickle=allow_pickle, allow_code=allow_code)
        facts = (__version__, fingerprints(inputs), sorted(comparison.items()), known, sorted(settings.items()))
    with open_cohort(cohort) as adata, resumable(out, repr(facts)) as folder, clock("comparing"):
        found = compare_methods(
            adata, loaded, markers=known, folder=folder, progress=progress, **comparison, **settings
        )
        verify()
        drawn = f"{len(found.values.loc['random'])} of {adata.n_obs} cells of '{cohort_name(cohort)}'"
        notes = [_note(drawn, loaded, **comparison)]
        write_comparison(found, out, title="Methods of explanation compared", notes=notes)
    for warning in found.warnings():
        say("warning", warning, "bold yellow")
    best = found.table().query("measure == 'ABPC' and best")["method"]
    say("most faithful", f"{', '.join(best)} (ABPC; best, or within the paired interval of the best)")
    say("comparison", str((out / "comparison.html").resolve()))
    say_time(clock)


def _markers(options: dict) -> dict[str, list[str]] | None:
    """Read the markers that are named; raise if only their columns are."""
    from ...genes import read_gene_sets, read_markers

    columns = {name: options[name] for name in ("group", "gene") if name in options}
    if "path" not in options:
        if columns:
            raise typer.BadParameter("--marker-group and --marker-gene are columns of the table --markers; name it too")
        return None
    if options["path"].suffix == ".gmt":
        if columns:
            raise typer.BadParameter("a .gmt file has no columns; leave out --marker-group and --marker-gene")
        return read_gene_sets(options["path"])
    return read_markers(options["path"], **columns)


def _note(drawn: str, model, *, how: How = "zero", seed: int = 0, **_) -> str:
    """Return what was compared, in a sentence."""
    seen = "have not seen" if model.training_cells is not None else "may have seen"
    values = {"zero": "0", "mean": "their mean in the cohort", "permuted": "those of another cell"}
    return (
        f"{drawn}, drawn with seed {seed}, each explained for its prediction by networks that {seen} it; removed genes "
        f"are read as {values[how]}."
    )
