"""The wording of error messages."""

import numpy as np
import pytest

from lrp_domains import LrpError, RelevanceError
from lrp_domains.domain import DomainError, check_choice, check_whole, choices, listed, reason
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
    assert reason(ImportError("\n  one\ntwo")) == "one"
    assert reason(KeyError()) == "KeyError()"


def test_an_unknown_choice_is_refused():
    with pytest.raises(DomainError, match="unknown task 'clases'; did you mean 'classes'"):
        check_choice("task", "clases", ["classes", "value"])


def test_all_errors_have_one_base():
    for error in (DomainError, CohortError, TextError, RelevanceError):
        assert issubclass(error, LrpError)
    assert issubclass(LrpError, ValueError)


TYPES = ["CD4+ T Helper2", "CD8+ Cytotoxic T", "CD8+/CD45RA+ Naive Cytotoxic", "CD19+ B", "CD14+ Monocyte", "Dendritic"]


@pytest.mark.parametrize(
    "name, meant",
    [
        ("CD8+ T", "'CD8+ Cytotoxic T'"),
        ("cd8 t", "'CD8+ Cytotoxic T'"),
        ("T CD8", "'CD8+ Cytotoxic T'"),
        ("cytotoxic naive", "'CD8+/CD45RA+ Naive Cytotoxic'"),
        ("B", "'CD19+ B'"),
        ("Mono", "'CD14+ Monocyte'"),
        ("Dentritic", "'Dendritic'"),
    ],
)
def test_the_name_that_is_meant_comes_first(name, meant):
    assert choices(name, TYPES).startswith(f"did you mean {meant}")


@pytest.mark.parametrize(("name", "meant"), [("3", "'chr3', 'chr13', 'chr23'"), ("chr10", "'10', '1', '0'")])
def test_of_names_that_hold_another_the_nearest_in_length_come_first(name, meant):
    known = ["chr13", "chr14_GL000193v1", "chr14_KI270723v1", "chr23", "chr3"] if name == "3" else ["1", "0", "10", "2"]
    assert choices(name, known) == f"did you mean {meant}?"


@pytest.mark.parametrize("name", ["Erythrocyte", "Plasma cell", "", 7])
def test_without_a_near_one_all_are_named(name):
    assert choices(name, TYPES).startswith("there are: 'CD4+ T Helper2', 'CD8+ Cytotoxic T'")


@pytest.mark.parametrize("number", [2.5, True, np.True_, "4", None, 0, np.int64(0), 4.0, float("nan")])
def test_what_is_no_whole_number_is_refused(number):
    with pytest.raises(DomainError, match=r"batch_size=.*: expected a whole number, at least 1"):
        check_whole("batch_size", number, 1)


def test_whole_numbers_of_numpy_are_whole_numbers():
    check_whole("batch_size", np.int32(1), 1)
