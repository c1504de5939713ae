"""The steps of a set of pictures or of sequences: check, explain, gather, report; their options and what is printed."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import progress, say, say_time
from .grouped import grouped

if TYPE_CHECKING:
    from ..domain import Outcome

Tables = Annotated[list[Path], typer.Argument(help="The tables of all shards in order, with the arrays next to them.")]
Gathered = Annotated[Path, typer.Option(help="The table to write, .parquet; the arrays go next to it.")]
Folders = Annotated[list[Path], typer.Argument(help="The sets' folders of results, with explained.parquet.")]
Report = Annotated[Path, typer.Option(help="The .html file to write.")]
Summary = Annotated[Path, typer.Option(help="The summary to write, .json.")]

REQUEST = {
    "target": Annotated[
        str | None, typer.Option(help="The class to explain, by name or number (default: the predicted one).")
    ],
    "against": Annotated[
        str | None,
        typer.Option(
            help="A class to contrast the target with: the difference of their logits is explained (default: none)."
        ),
    ],
}
SHARDS = {
    "check": Annotated[
        Path | None,
        typer.Option(help="The .json of 'check': stop if the samples or the model have changed since."),
    ],
    "shard": Annotated[int | None, typer.Option(help="Number of the part of the set to explain, from 1 (default 1).")],
    "shards": Annotated[int | None, typer.Option(min=1, help="Number of parts of the set (default 1).")],
}


def check_request(request: Mapping[str, Any]) -> None:
    """Raise if a contrast has no target."""
    if "against" in request and "target" not in request:
        raise typer.BadParameter("--against requires a --target to contrast with it")


def refuse(options: Iterable[str], why: str) -> None:
    """Raise if there are options, by their names, that don't belong to what is asked."""
    if named := ", ".join(f"--{name.replace('_', '-')}" for name in options):
        raise typer.BadParameter(f"{named}: {why}")


def outcome_line(outcome: "Outcome", units: str) -> str:
    """Return what was predicted and explained of a sample, and where the score went."""
    probability = "" if outcome.probability is None else f" ({outcome.probability:.1%})"
    reference = "" if outcome.reference_score is None else f", of the reference {outcome.reference_score:+.3f}"
    return (
        f"predicted {outcome.prediction}{probability}, explained {outcome.explained}, score {outcome.score:+.3f}"
        f"{reference}, {units} {outcome.units:+.3f}, rest {outcome.rest:+.3f}"
    )


def write_html(explained: Any, path: Path) -> None:
    """Write the page of explained samples."""
    from ..domain import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(explained.to_html(), encoding="utf-8")


@dataclass(frozen=True)
class Steps:
    """The steps of a domain's sets, whose samples are called `unit`, in the plural."""

    domain: str
    unit: str

    @property
    def schema(self) -> Traversable:
        """The schema of the domain's own keys of a declared model."""
        return files(f"lrp_domains.{self.domain}").joinpath("model.schema.yaml")

    @property
    def remedy(self) -> str:
        """What to do where inputs have changed."""
        return f"run 'lrp-domains {self.domain} check' again"

    def model_of(self, options: Mapping[str, Any]) -> str:
        """Return the name of the model, which an option has to name."""
        from ..domain import DomainError

        if not options.get("model"):
            raise DomainError(
                f"name a model: --model FOLDER_OR_NAME; 'lrp-domains {self.domain} train-demo --out FOLDER' trains two"
            )
        return options["model"]

    def inputs_of(self, options: Mapping[str, Any], **samples: Path | list[Path]) -> dict[str, Any]:
        """Return the files that results are computed from, by what they are: those of samples, and of the model.

        A declared model is all that its declaration names.
        """
        from ..domain import model_files

        return samples | model_files(self.model_of(options), self.schema)

    def key_of(self, options: Mapping[str, Any]) -> str:
        """Return a string that identifies the weights of a model."""
        from ..domain import model_version

        return repr(model_version(options["model"], self.schema, options.get("revision")))

    def check(
        self,
        inputs: Callable[[], Mapping[str, Any]],
        load: Callable[[], Any],
        check: Callable[[Any], dict[str, Any]],
        out: Path,
    ) -> dict[str, Any]:
        """Check a set with the explainer that `load` returns; write the summary, with fingerprints of the inputs."""
        from ..domain import Clock, fingerprints, require_space, unchanged, whole_file

        require_space(out)
        clock = Clock()
        with clock("loading"):
            read = inputs()
            verify = unchanged(read, remedy=self.remedy)
            explainer = load()
        with clock("checking"):
            summary = check(explainer)
        with clock("hashing"):
            summary |= {"inputs": fingerprints(read)}
            verify()
        with whole_file(out) as temporary:
            temporary.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say_time(clock)
        return summary

    def explain(
        self,
        inputs: Callable[[], Mapping[str, Any]],
        load: Callable[[], Any],
        explain: Callable[..., int],
        out: Path,
        shards: Mapping[str, Any],
    ) -> None:
        """Explain a set, or a shard of it; `explain` is called with an explainer and options of `explain_parts`."""
        from ..domain import Clock, Shard, require_space, unchanged

        require_space(out)
        clock = Clock()
        with clock("loading"):
            verify = unchanged(inputs(), shards.get("check"), required=self.unit, remedy=self.remedy)
            explainer = load()
        with clock("explaining"):
            shard = Shard(shards.get("shard", 1), shards.get("shards", 1))
            before = explain(explainer, shard=shard, verify=verify, progress=progress)
        say("explained", f"'{out}'" + (f", {before} {self.unit} by an earlier run" if before else ""))
        say_time(clock)

    def gather(self, tables: Tables, out: Gathered) -> None:
        """Write the tables and arrays of all shards as one."""
        from ..domain import Clock, arrays_of, gather_parts, require_space, size_on_disk

        require_space(out, sum(size_on_disk(path) for table in tables for path in (table, arrays_of(table))))
        clock = Clock()
        with clock("writing"):
            say("gathered", f"{gather_parts(tables, out)} {self.unit}")
        say_time(clock)

    def report(self, default_title: str) -> Callable[..., None]:
        """Return the command that writes a report, with the `write_report` of the domain."""
        options = {
            "title": Annotated[str | None, typer.Option(help=f"Title of the report (default {default_title}).")],
            "examples": Annotated[
                int | None, typer.Option(min=1, help=f"{self.unit.capitalize()} of each kind (default 8).")
            ],
        }

        @grouped(page=options)
        def report(folders: Folders, out: Report, page: dict) -> None:
            """Write a report of all sets in one file: how good the model is, examples, and where the score went."""
            from ..domain import Clock, require_space

            require_space(out)
            clock = Clock()
            with clock("writing"):
                import_module(f"lrp_domains.{self.domain}").write_report(folders, out, **page)
            say("report", str(out.resolve()))
            say_time(clock)

        return report
