"""Domains of other packages, found by their entry points: commands and workflow rules without a change here."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from .messages import DomainError, reason

GROUP = "lrp_domains.domains"


@dataclass(frozen=True)
class Domain:
    """What a package registers under the entry point group ``lrp_domains.domains``, by the name of its entry point.

    Attributes
    ----------
    commands
        The group of commands ``lrp-domains NAME ...``.
    workflow
        A file of Snakemake rules, ``.smk``, which the Snakefile includes where the configuration has a section NAME.
        It appends the files to make to the list ``REPORTS``.
    schema
        The JSON schema of that section.
    """

    commands: typer.Typer
    workflow: Path | None = None
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})

    def __post_init__(self) -> None:
        if not isinstance(self.commands, typer.Typer):
            raise DomainError(f"expected commands to be a typer.Typer, got {type(self.commands).__name__}")


def installed_domains() -> dict[str, Domain]:
    """Return the domains of other installed packages by name; one that can't be loaded is ignored with a warning."""
    domains = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            domain = entry.load()
            if not isinstance(domain, Domain):
                raise TypeError(
                    f"expected '{entry.value}' to be a lrp_domains.domain.Domain, got {type(domain).__name__}"
                )
        except (Exception, SystemExit) as error:  # another package's code may raise anything
            warnings.warn(f"the domain '{entry.name}' could not be loaded: {reason(error)}", stacklevel=2)
            continue
        domains[entry.name] = domain
    return domains
