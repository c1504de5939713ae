"""Kept plans: the same numbers without planning, and never the plan of another function."""

import gc
import re
import threading
import weakref
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import CP_LRP, RelevanceError, relevance
from lrp_domains.core.planning import kept


@pytest.fixture(autouse=True)
def nothing_kept():
    kept.forget()
    yield
    kept.forget()


def _explained(function, *, seed=0, rows=3, **options):
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()
    return relevance(function(x), x, **options)


def _gated(x):
    h = F.layer_norm(x @ CONSTANT, (4,))
    return (F.silu(h @ CONSTANT) * (h @ CONSTANT.T) + x.softmax(-1) * h).sum(-1)


@pytest.mark.parametrize("options", [{}, {"rules": CP_LRP}], ids=["AttnLRP", "CP-LRP"])
def test_a_second_pass_has_the_same_numbers_without_planning(monkeypatch, options):
    wanted = _explained(_gated, seed=1, **options)
    _explained(_gated, seed=0, **options)
    assert len(kept._kept) == 1
    monkeypatch.setattr("lrp_domains.core.planning.plan.plan_graph", lambda *args: pytest.fail("planned again"))
    assert torch.equal(_explained(_gated, seed=1, **options), wanted)


# Pairs of functions whose graphs have the same nodes and edges, but other plans.
WEIGHT = torch.nn.Parameter(torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
CONSTANT = WEIGHT.detach().requires_grad_(False)
PAIRS = {
    "an exponent": (lambda x: (x * (x @ CONSTANT).pow(2.0)).sum(1), lambda x: (x * (x @ CONSTANT).pow(-1.0)).sum(1)),
    "which part": (
        lambda x: x[:, 0] * x[:, 0].tanh() * x[:, 1],
        lambda x: x[:, 0] * x[:, 2].tanh() * x[:, 1],
    ),
    "bounds": (lambda x: (x * (x @ CONSTANT).clamp(-1, 1)).sum(1), lambda x: (x * (x @ CONSTANT).clamp(0.5, 1)).sum(1)),
    "how many values are summed": (
        lambda x: x[:, :1].sum(1) * x[:, :1].tanh().sum(1) * x[:, 3],
        lambda x: x[:, :2].sum(1) * x[:, :2].tanh().sum(1) * x[:, 3],
    ),
    "a parameter or a constant": (
        lambda x: (x * (x.sigmoid() @ WEIGHT.detach())).sum(1),
        lambda x: (x * (x.sigmoid() @ FROZEN)).sum(1),
    ),
    "a number that is added": (
        lambda x: x[:, 0] * (x[:, 1].tanh() + 1.0).abs(),
        lambda x: x[:, 0] * (x[:, 1].tanh() + 0.0).abs(),
    ),
    "the dtype of a threshold": (
        lambda x: (x * (x.tanh() + 1e-4)).sum(1), lambda x: (x.float() * (x.float().tanh() + 1e-4)).sum(1).double(),
    ),
}  # fmt: skip
FROZEN = torch.nn.Parameter(WEIGHT.detach().clone(), requires_grad=False)


@pytest.mark.parametrize("name", PAIRS)
def test_a_plan_is_not_taken_for_another_function(name):
    first, second = PAIRS[name]
    wanted = [_explained(first), _explained(second)]
    for function, r in zip((first, second, first, second), wanted * 2, strict=True):
        assert torch.equal(_explained(function), r)
    kept.forget()
    assert torch.equal(_explained(second), wanted[1])


def test_a_plan_is_not_taken_for_another_tensor_of_the_same_graph():
    def explained(which):
        x = torch.linspace(-1, 2, 12, dtype=torch.float64).view(3, 4).requires_grad_()
        h = x @ CONSTANT
        return relevance((h * x).sum(1), (x, h)[which])

    wanted = []
    for which in (0, 1):
        kept.forget()
        wanted.append(explained(which))
    assert not torch.equal(*wanted)
    for which in (0, 1, 0, 1):
        assert torch.equal(explained(which), wanted[which])


def test_a_shared_tensor_is_not_taken_for_two():
    def explained(shared):
        x = torch.linspace(-1, 2, 12, dtype=torch.float64).view(3, 4).requires_grad_()
        a = x[torch.tensor([2, 0, 1])]
        b = a if shared else x[torch.tensor([1, 0, 2])]
        return relevance((a * b.tanh() * x).sum(1), x)

    wanted = []
    for shared in (False, True):
        kept.forget()
        wanted.append(explained(shared))
    for shared in (True, False, True, False):
        assert torch.equal(explained(shared), wanted[shared])


def test_dropout_is_refused_when_the_plan_of_the_model_in_eval_mode_was_kept():
    model = torch.nn.Sequential(torch.nn.Linear(4, 400), torch.nn.ReLU(), torch.nn.Dropout()).double().eval()

    def masked(x, mask):
        return (model(x) * mask).sum(1)

    _explained(lambda x: masked(x, torch.ones(3, 400, dtype=x.dtype)))
    assert kept._kept
    with pytest.raises(RelevanceError, match="dropout"):
        _explained(lambda x: masked(x, torch.empty(3, 400, dtype=x.dtype).bernoulli_(0.5).div_(0.5)))


def test_kept_plans_keep_no_tensor_and_no_graph_alive():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    output = _gated(x)
    references = [weakref.ref(x), weakref.ref(output)]
    relevance(output, x)
    assert kept._kept
    del x, output
    gc.collect()
    assert [reference() for reference in references] == [None] * 2


def test_the_number_of_kept_plans_is_bounded(monkeypatch):
    monkeypatch.setattr(kept, "MOST", 3)
    for steps in range(1, 6):
        _explained(lambda x, steps=steps: sum([x.relu() for _ in range(steps)], x).sum(1))
    assert len(kept._kept) == 3


def test_plans_of_one_model_for_several_lengths_share_their_form():
    def function(x):
        return (x * (x[:, None] @ CONSTANT)[:, 0].sum(1, keepdim=True).sigmoid()).sum(1)

    wanted = {}
    for rows in (2, 3, 5):
        kept.forget()
        wanted[rows] = _explained(function, rows=rows)
    for rows in (2, 3, 5, 3, 2):
        assert torch.equal(_explained(function, rows=rows), wanted[rows])
    assert len({id(plan.form) for plan in kept._kept}) == 1


def test_threads_share_plans():
    wanted, results = _explained(_gated), {}

    def explain(number):
        results[number] = all(torch.equal(_explained(_gated), wanted) for _ in range(20))

    threads = [threading.Thread(target=explain, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(results.values()) == [True] * 4


def test_planning_reads_nodes_only_through_questions():
    core = Path(kept.__file__).parents[1]
    names = ["graph/weights", "graph/elementwise", "planning/plan", "planning/choice", "planning/refusals"]
    files = [*(core / "roles").glob("*.py"), *(core / f"{name}.py" for name in names)]
    files += [core / f"rules/{name}.py" for name in ("activations", "attention", "gates", "products")]
    read_directly = re.compile(
        r"node\._saved_|node\._raw|getattr\(node|saved_tensors|_input_metadata(?!\[edge\[1\]\]\.device)|\.metadata"
    )
    for file in files:
        assert not read_directly.search(file.read_text()), file
