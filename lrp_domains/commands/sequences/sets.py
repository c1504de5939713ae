"""The check of a set of sequences before its explanation."""

from .. import samples as s
from ..console import say
from ..grouped import grouped
from . import options as o
from .loading import STEPS, inputs_of, load_explainer, load_sequences

CHECKED = {name: option for name, option in o.MODEL.items() if name != "device"}


@grouped(model=CHECKED, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS, asked=o.ASKED)
def check(
    sequences: o.SequenceFile, out: s.Summary, model: dict, set_of: dict, request: dict, settings: dict, asked: dict
) -> None:
    """Read all sequences of a set and explain the first, before any long computation."""
    from ...sequences import check_set

    summary = STEPS.check(
        lambda: inputs_of(sequences, model, set_of),
        lambda: load_explainer(model | {"device": "cpu"}, settings),
        lambda explainer: check_set(explainer, load_sequences(sequences, set_of, explainer, asked), **request),
        out,
    )
    say("sequences", f"{summary['samples']}, the longest of {summary['longest']:,} letters")
