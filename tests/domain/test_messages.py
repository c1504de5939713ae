"""The wording of error messages."""

import pytest

from lrp_domains import LrpError, RelevanceError
from lrp_domains.domain import DomainError, check_choice, choices, listed, reason
from lrp_domains.genes import CohortError
from lrp_domains.text import TextError


@pytest.mark.parametrize(
    "name, message",
    [
        ("cel_type", "did you mean 'cell_type'?"),
        ("CELL_TYPE", "did you mean 'cell_type'?"),
        ("type", "did you mean 'cell_type'?"),
        ("zzz", "there are: 'cell_type', 'donor'"),
        ("", "there are: 'cell_type', 'donor'"),
    ],
)
def test_the_nearest_known_names_are_suggested(name, message):
    assert choices(name, ["cell_type", "donor"]) == message


def test_many_names_are_cut_short():
    assert listed(range(5), 3) == "'0', '1', '2' and 2 more"
    assert choices("x", []) == "there are none"


def test_an_error_without_text_is_named_by_its_type():
    assert reason(ValueError("one\ntwo")) == "one"
    assert reason(KeyError()) == "KeyError()"


def test_an_unknown_choice_is_refused():
    with pytest.raises(DomainError, match="unknown task 'clases'; did you mean 'classes'"):
        check_choice("task", "clases", ["classes", "value"])


def test_all_errors_have_one_base():
    for error in (DomainError, CohortError, TextError, RelevanceError):
        assert issubclass(error, LrpError)
    assert issubclass(LrpError, ValueError)
