"""The page of performance agrees with the results of the benchmarks, and a library that fails is a row of it."""

import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("jinja2")

from benchmarks import cost, performance
from benchmarks.methods import COMPILED, COMPILED_GRADIENTS, EXPLAINED, GRADIENT, METHODS, Method, gradient_times_input
from benchmarks.subjects import Subject


def test_the_page_is_made_of_the_results():
    assert performance.PAGE.read_text() == performance.page(), "run python -m benchmarks.performance"


def measured(*later, **more):
    return {"library": "", "once": False, "later": list(later), "working MB": 30.0, **more}


def test_ratios_are_of_one_round_and_to_the_faster_compiled_gradient():
    methods = {
        GRADIENT: measured(1.0, 10.0, 1.0),
        COMPILED_GRADIENTS[0]: measured(2.0, 20.0, 2.0),
        COMPILED_GRADIENTS[1]: measured(0.5, 5.0, 0.5),
        COMPILED: measured(0.6, 5.0, 0.8, **{"working MB": 60.0}),
        EXPLAINED: measured(3.0, once=True, gradient=[1.5]),
    }
    fastest = performance.compiled_gradient(methods)
    assert fastest == COMPILED_GRADIENTS[1]
    assert performance.in_time(methods, COMPILED) == pytest.approx(0.6)
    assert performance.in_time(methods, COMPILED, fastest) == pytest.approx(1.2)
    assert performance.in_time(methods, EXPLAINED) == pytest.approx(2.0)
    assert performance.in_time({}, COMPILED) is None
    assert performance.in_memory(methods, COMPILED) == pytest.approx(2.0)


@pytest.mark.parametrize("value, says", [(1.101, "1.10, reached"), (1.11, "1.11, **not reached**"), (None, "–")])
def test_a_limit_is_reached_or_not(value, says):
    assert performance._judged(value, 1.1) == says


def small_subject(name):
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    return Subject(model.requires_grad_(False), torch.ones(2, 4))


def fails(subject):
    raise ImportError("no rules (/some/path.py). Try again")


def test_a_method_that_fails_is_a_row_that_says_why(monkeypatch):
    monkeypatch.setattr(cost, "make", small_subject)
    monkeypatch.setattr(cost, "ALL", {"peer": Method("peer 1.0", fails)})
    assert cost.alone("small", "peer", "") == {"failed": "ImportError: no rules."}


def test_methods_that_take_turns_are_compared(monkeypatch):
    monkeypatch.setattr(cost, "make", small_subject)
    doubled = Method("", lambda s: lambda: 2 * gradient_times_input(s.score, s.x), same_as=GRADIENT)
    monkeypatch.setattr(cost, "ALL", METHODS | {"doubled": doubled})
    found = cost.together("small", "quick", GRADIENT, EXPLAINED, "doubled")
    assert found["doubled"]["difference"] == pytest.approx(1.0)
    assert found[GRADIENT]["difference"] is None
    assert all(len(row["later"]) == 1 for row in found.values())
