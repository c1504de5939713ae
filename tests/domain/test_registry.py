"""Domains of other packages, found by their entry points."""

import pytest
import typer

from lrp_domains.domain import Domain, DomainError, installed_domains, registry


class Entry:
    """An entry point."""

    def __init__(self, name, loaded):
        self.name, self.value, self.loaded = name, f"{name}:domain", loaded

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def test_domains_are_found_by_name(monkeypatch):
    pixels = Domain(typer.Typer())
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry("pixels", pixels)])
    assert installed_domains() == {"pixels": pixels}


def test_a_package_that_fails_is_ignored_with_a_warning(monkeypatch, recwarn):
    pixels = Domain(typer.Typer())
    entries = [Entry("broken", ImportError("no module named 'x'")), Entry("pixels", pixels), Entry("wrong", object())]
    monkeypatch.setattr(registry, "entry_points", lambda group: entries)
    assert installed_domains() == {"pixels": pixels}
    messages = [str(warning.message) for warning in recwarn]
    assert messages == [
        "the domain 'broken' could not be loaded: no module named 'x'",
        "the domain 'wrong' could not be loaded: expected 'wrong:domain' to be a lrp_domains.domain.Domain, got object",
    ]


def test_a_package_that_exits_breaks_nothing(monkeypatch, recwarn):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry("broken", ImportError("x"))])
    monkeypatch.setattr(Entry, "load", lambda entry: exit(3))
    assert installed_domains() == {}
    assert "the domain 'broken' could not be loaded" in str(recwarn[0].message)


def test_commands_must_be_a_group_of_typer():
    with pytest.raises(DomainError, match="expected commands to be a typer"):
        Domain(None)
