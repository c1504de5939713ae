"""The page of evidence agrees with the results of the benchmarks."""

import pytest

pytest.importorskip("transformers")
pytest.importorskip("jinja2")

from benchmarks.evidence import page


def test_the_page_is_made_of_the_results():
    assert page.PAGE.read_text() == page.page(), "run python -m benchmarks.evidence.page"
