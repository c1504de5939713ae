"""The folders that demos are written to: only an earlier demo is replaced; others are refused before any training."""

from dataclasses import dataclass

import pytest

from lrp_domains.commands.demo_models import write_models
from lrp_domains.domain import DomainError

from .commands import run


@dataclass(frozen=True)
class Made:
    """A demo that is made without training."""

    content: str

    def save(self, folder):
        folder.mkdir(exist_ok=True)
        (folder / "made.txt").write_text(self.content)


@pytest.mark.parametrize("domain", ["images", "sequences", "text"])
def test_another_folder_is_not_replaced(domain, tmp_path):
    (tmp_path / "a.txt").touch()
    printed = run(domain, "train-demo", "--out", tmp_path, code=1)
    assert printed.startswith("error: ") and "exists and has no demo models" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_earlier_demo_is_replaced(tmp_path):
    for content in ("earlier", "later"):
        assert write_models(lambda content=content: Made(content), tmp_path / "demo", "made.txt") == Made(content)
    assert (tmp_path / "demo/made.txt").read_text() == "later"
    with pytest.raises(DomainError, match="has no demo models"):
        write_models(lambda: pytest.fail("trained"), tmp_path / "demo", "other.txt")
