"""The steps of a set of pictures or of sequences: check, explain, gather, report; and their options."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import progress, say, say_time

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


def report_options(title: str, unit: str) -> dict[str, Any]:
    """Return the options of a report."""
    return {
        "title": Annotated[str | None, typer.Option(help=f"Title of the report (default {title}).")],
        "examples": Annotated[int | None, typer.Option(min=1, help=f"{unit.capitalize()} of each kind (default 8).")],
    }


@dataclass(frozen=True)
class Steps:
    """The steps of a domain's sets, whose samples are called `unit`, in the plural."""

    domain: str
    unit: str

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

    def check(
        self,
        inputs: Callable[[], Mapping[str, Path]],
        load: Callable[[], Any],
        check: Callable[[Any], dict[str, Any]],
        out: Path,
    ) -> dict[str, Any]:
        """Check a set with the explainer that `load` returns; write the summary, with fingerprints of the inputs."""
        from ..domain import Clock, fingerprints, require_space, unchanged, whole_file

        require_space(out)
        clock = Clock()
        with clock("loading"):
            files = inputs()
            verify = unchanged(files, remedy=self.remedy)
            explainer = load()
        with clock("checking"):
            summary = check(explainer)
        with clock("hashing"):
            summary |= {"inputs": fingerprints(files)}
            verify()
        with whole_file(out) as temporary:
            temporary.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        say_time(clock)
        return summary

    def explain(
        self,
        inputs: Callable[[], Mapping[str, Path]],
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

    def gather(self, tables: Sequence[Path], out: Path) -> None:
        """Write the tables and arrays of all shards as one."""
        from ..domain import Clock, arrays_of, gather_parts, require_space, size_on_disk

        require_space(out, sum(size_on_disk(path) for table in tables for path in (table, arrays_of(table))))
        clock = Clock()
        with clock("writing"):
            say("gathered", f"{gather_parts(tables, out)} {self.unit}")
        say_time(clock)

    def report(self, write: Callable[[], object], out: Path) -> None:
        """Write a report."""
        from ..domain import Clock, require_space

        require_space(out)
        clock = Clock()
        with clock("writing"):
            write()
        say("report", str(out.resolve()))
        say_time(clock)
