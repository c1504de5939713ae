"""The steps of a set of sequences before and after its explanation: check, gather, report."""

from .. import samples as s
from ..console import say
from ..grouped import grouped
from . import options as o
from .loading import STEPS, inputs_of, load_explainer, load_sequences

CHECKED = {name: option for name, option in o.MODEL.items() if name != "device"}
REPORT = s.report_options("Letters that decided the predictions", "sequences")


@grouped(model=CHECKED, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS)
def check(sequences: o.SequenceFile, out: s.Summary, model: dict, set_of: dict, request: dict, settings: dict) -> None:
    """Read all sequences of a set and explain the first, before any long computation."""
    from ...sequences import check_file

    summary = STEPS.check(
        lambda: inputs_of(sequences, model, set_of),
        lambda: load_explainer(model | {"device": "cpu"}, settings),
        lambda explainer: check_file(explainer, load_sequences(sequences, set_of, explainer), **request),
        out,
    )
    say("sequences", f"{summary['samples']}, the longest of {summary['longest']:,} letters")


def gather(tables: s.Tables, out: s.Gathered) -> None:
    """Write the tables and arrays of all shards as one."""
    STEPS.gather(tables, out)


@grouped(page=REPORT)
def report(folders: s.Folders, out: s.Report, page: dict) -> None:
    """Write a report of all sets, with logos of sequences and of motifs, in one file."""
    from ...sequences import write_report

    STEPS.report(lambda: write_report(folders, out, **page), out)
