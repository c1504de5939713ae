"""The steps of a set of pictures before and after its explanation: check, segments."""

from pathlib import Path
from typing import Annotated

import typer

from .. import samples as s
from ..console import say
from ..grouped import grouped
from . import options as o
from .loading import STEPS, inputs_of, load_explainer

CHECKED = {name: option for name, option in o.MODEL.items() if name != "device"}


@grouped(model=CHECKED, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS)
def check(pictures: o.Pictures, out: s.Summary, model: dict, set_of: dict, request: dict, settings: dict) -> None:
    """Read all pictures of a set and explain the smallest and the largest, before any long computation."""
    from ...images import check_set

    summary = STEPS.check(
        lambda: inputs_of(pictures, model, set_of),
        lambda: load_explainer(model | {"device": "cpu"}, **settings),
        lambda explainer: check_set(explainer, pictures, **set_of, **request),
        out,
    )
    height, width = summary["size"]
    say("pictures", f"{summary['samples']}, as the model sees them {height} x {width}")
    for note, count in summary["notes"].items():
        say("note", f"{count} pictures: {note}")


def segments(
    explained: Annotated[Path, typer.Argument(help="The table of explained pictures, .parquet.")],
    out: Annotated[Path, typer.Option(help="The table to write, .tsv.")],
) -> None:
    """Write the relevance of each segment of each picture of a set that was explained with --mask-column."""
    from ...domain import require_space
    from ...images import write_segments

    require_space(out)
    write_segments(explained, out)
    say("segments", f"'{out}'")
