"""Explain pictures from the command line, or all pictures of a set."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import say
from ..grouped import grouped
from ..samples import check_request, outcome_line, refuse, write_html
from . import options as o
from .loading import STEPS, inputs_of, load_explainer


@grouped(model=o.MODEL, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS, shards=o.SHARDS, shown=o.SHOWN)
def explain(
    pictures: o.PicturesOrSet,
    out: Annotated[
        Path | None,
        typer.Option(help="Explain a set to this table, .parquet, and to the arrays next to it, .npz."),
    ] = None,
    *,
    model: dict,
    set_of: dict,
    request: dict,
    settings: dict,
    shards: dict,
    shown: dict,
) -> None:
    """Show which pixels decide a model's prediction. A set is explained to files; an interrupted run resumes."""
    from ...domain import require_space

    check_request(request)
    if out is None:
        refuse({**set_of, **shards}, "only for a set, with --out")
        for path in pictures:
            if path.is_dir() or path.suffix in (".csv", ".tsv"):
                raise typer.BadParameter(f"'{path}' is a set: name the table to write, --out")
        if "html" in shown:
            require_space(shown["html"])
        if "drawings" in shown:
            require_space(shown["drawings"], is_folder=True)
        _show(pictures, load_explainer(model, **settings), request, shown)
    else:
        refuse(shown, "leave out with --out")
        _explain_set(pictures, out, model=model, request=request, settings=settings, shards=shards, set_of=set_of)


def _show(pictures: Sequence[Path], explainer: Any, request: Mapping[str, Any], shown: Mapping[str, Path]) -> None:
    """Print the outcome of each picture, and write drawings and a page as far as they are asked for."""
    from ...domain import whole_file

    results = explainer([str(path) for path in pictures], **request)
    for result in results:
        typer.echo(f"{result.name}: {outcome_line(result, 'pixels')}")
        for note in result.notes:
            say("note", f"{result.name}: {note}")
    if "html" in shown:
        write_html(results, shown["html"])
    for number, result in enumerate(results if "drawings" in shown else ()):
        with whole_file(shown["drawings"] / f"{number}_{Path(result.name).stem}.png") as temporary:
            result.to_image(over=False).save(temporary, "png")


def _explain_set(
    pictures: Sequence[Path], out: Path, *, model: dict, request: dict, settings: dict, shards: dict, set_of: dict
) -> None:
    from ...images import explain_set

    if len(pictures) > 1:
        raise typer.BadParameter("--out is for one set: name a folder of pictures, or a table")

    def run(explainer: Any, **options: Any) -> int:
        return explain_set(explainer, pictures[0], out, key=STEPS.key_of(model), **set_of, **request, **options)

    inputs = partial(inputs_of, pictures[0], model, set_of)
    STEPS.explain(inputs, lambda: load_explainer(model, **settings), run, out, shards)
