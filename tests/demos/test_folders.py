"""The folders that demos are written to."""

import pytest

from .commands import run


@pytest.mark.parametrize("domain", ["images", "sequences", "text"])
def test_an_earlier_demo_is_replaced_but_nothing_else(domain, tmp_path):
    (tmp_path / "a.txt").touch()
    assert "exists and has no demo models" in run(domain, "train-demo", "--out", tmp_path, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
