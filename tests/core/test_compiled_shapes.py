"""Recordings by shape: how many are kept, what they keep, and where they may be called."""

import gc
import threading
import weakref

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lrp_domains import compile

from .compiled_calls import recordings, same, usual, warned


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 3)).eval()


@pytest.fixture
def function(model):
    return lambda x: model(x)[:, 1]


def test_each_shape_is_recorded_on_first_use(function):
    explain = compile(function, torch.randn(2, 5))
    assert [explain.is_recorded(torch.randn(n, 5)) for n in (1, 2, 3)] == [False, True, False]
    for n in (1, 3, 2):
        x = torch.randn(n, 5)
        assert same(explain(x), usual(function, x))
    assert [explain.is_recorded(torch.randn(n, 5)) for n in (1, 2, 3)] == [True, True, True]
    explain.record(torch.randn(4, 5))
    assert explain.is_recorded(torch.zeros(4, 5))


def test_recording_again_changes_nothing(function):
    x = torch.randn(2, 5)
    explain = compile(function, x)
    _, messages = warned(lambda: [explain.record(y) for y in (x, x, x.flip(0), x, x, x)])
    assert recordings(explain) == 1 and not messages


def test_the_least_recently_used_shapes_are_dropped(function):
    explain = compile(function, torch.randn(1, 5), shapes=3)
    for n in (2, 3, 1, 4):  # 2 is the oldest when 4 comes
        explain(torch.randn(n, 5))
    assert [explain.is_recorded(torch.randn(n, 5)) for n in (1, 2, 3, 4)] == [True, False, True, True]
    x = torch.randn(2, 5)
    assert same(explain(x), usual(function, x))
    assert [explain.is_recorded(torch.randn(n, 5)) for n in (1, 2, 3, 4)] == [True, True, False, True]


def test_dtypes_and_autocast_have_recordings_of_their_own(model):
    def function(x):
        return model(x.float())[:, 1]

    x = torch.randn(4, 5)
    explain = compile(function, x)
    for _ in range(2):
        for y in (x, x.double(), x.bfloat16()):
            assert same(explain(y), usual(function, y))
            for dtype in (torch.bfloat16, torch.float16):
                with torch.autocast("cpu", dtype):
                    assert same(explain(y), usual(function, y))
    assert recordings(explain) == 9


def test_the_default_dtype_is_part_of_a_recording():
    def function(x):
        return (x.double() * torch.tensor([1 / 3] * 5)).sum(1)

    x = torch.randn(4, 5)
    explain = compile(function, x)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert same(explain(x), usual(function, x))
    finally:
        torch.set_default_dtype(before)


def test_parts_without_autocast_stay_in_their_precision():
    """Autocast's casts are part of the recording, so it must not be on when that runs."""
    first, second = nn.Linear(5, 5), nn.Linear(5, 3)

    def function(x):
        y = first(x)
        with torch.autocast("cpu", enabled=False):
            return second(y.float())[:, 1]

    x = torch.randn(4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        explain = compile(function, x)
        for y in (x, 2 * x, x):
            assert same(explain(y), usual(function, y))


def test_inputs_may_be_of_any_layout_in_memory(function):
    x = torch.randn(5, 4)
    explain = compile(function, x.T)
    for y in (
        x.T,
        x.T.contiguous(),
        torch.randn(8, 5)[::2],
        torch.randn(1, 5).expand(4, 5),
        torch.randn(20).view(4, 5),
    ):
        before = y.clone()
        assert same(explain(y), usual(function, y.contiguous())) and torch.equal(y, before)
    assert recordings(explain) == 1


def test_inputs_that_require_grad_are_left_alone(function):
    x = torch.randn(4, 5, requires_grad=True)
    explain = compile(function, x)
    for y in (x, 2 * x):
        score, r = explain(y)
        assert not score.requires_grad and not r.requires_grad
    assert x.grad is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_it_may_be_called_and_recorded_without_gradients(function, mode):
    x = torch.randn(4, 5)
    expected = usual(function, x), usual(function, 2 * x), usual(function, x[:2])
    with mode():
        y = x.clone()  # an inference tensor in inference mode
        explain = compile(function, y)
        results = explain(y), explain(2 * y), explain(y[:2])
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
    assert all(map(same, results, expected))
    assert all(not r.is_inference() for _, r in results)


def test_it_may_be_called_inside_another_function_that_is_recorded(model, function):
    x = torch.randn(4, 5)
    inner = compile(function, x)
    outer = compile(lambda x: (x * inner(x)[1].detach()).sum(), x)
    for y in (x, 2 * x):
        assert same(outer(y), usual(lambda x: (x * inner(x)[1].detach()).sum(), y))


def test_threads_share_recordings(model, function):
    """Each of several threads calls with shapes that none has recorded yet, while modules run."""
    explain = compile(function, torch.randn(1, 5))
    inputs = [torch.randn(n, 5) for n in (2, 3, 4, 5)]
    expected = [usual(function, x) for x in inputs]
    wrong, start = [], threading.Barrier(4)

    def call() -> None:
        start.wait()
        for _ in range(3):
            for x, result in zip(inputs, expected, strict=True):
                if not same(explain(x), result):
                    wrong.append(x)

    _, messages = warned(lambda: _run(call, 4))
    assert not wrong and not messages
    assert recordings(explain) == 5


def test_modules_of_other_threads_are_not_part_of_a_recording():
    """Another model runs in another thread while this one is recorded."""
    recorded, other = nn.Linear(5, 3), nn.Linear(5, 3)

    def function(x):
        _run(lambda: other(torch.randn(2, 5)), 1)
        return recorded(x)[:, 1]

    x = torch.randn(4, 5)
    explain = compile(function, x)
    (variants,) = explain._recorded._variants.values()
    assert variants._recordings[0].modules.modules == [recorded]


def _run(call, count: int) -> None:
    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Made(TorchDispatchMode):
    """Keep weak references to every tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[weakref.ref] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.tensors.append(weakref.ref(tensor))
        return result

    def alive(self, smallest: int) -> list[torch.Tensor]:
        """Return those that are still there and have at least so many entries."""
        gc.collect()
        tensors = [tensor for reference in self.tensors if (tensor := reference()) is not None]
        return [tensor for tensor in tensors if type(tensor) is torch.Tensor and tensor.numel() >= smallest]


def test_a_recording_keeps_nothing_of_its_example(function):
    x = torch.randn(50, 5)
    with Made() as made:
        explain = compile(function, x)
        explain(x.flip(0))  # until then the example is kept, to tell it from other inputs
    del x
    assert len(made.tensors) > 20 and not made.alive(50)
    assert explain.is_recorded(torch.randn(50, 5))


def test_what_is_dropped_is_freed(model):
    explain = compile(lambda x: model(x)[:, 1], torch.randn(2, 5), shapes=1)
    (variants,) = explain._recorded._variants.values()
    reference = weakref.ref(variants._recordings[0].graph)
    del variants
    explain(torch.randn(3, 5))
    gc.collect()
    assert reference() is None


def test_it_is_garbage_collected_with_its_model():
    def used() -> tuple[weakref.ref, weakref.ref]:
        model = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 3))
        explain = compile(lambda x: model(x)[:, 1], torch.randn(2, 5))
        explain(torch.randn(2, 5))
        return weakref.ref(explain), weakref.ref(model)

    references = used()
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_results_are_not_overwritten_by_the_next_call(function):
    x = torch.randn(4, 5)
    explain = compile(function, x)
    first = explain(x)
    copies = first[0].clone(), first[1].clone()
    explain(2 * x)
    assert same(first, copies)
    first[1].zero_()
    first[0].zero_()
    assert same(explain(x), copies)


def test_a_function_that_cannot_be_recorded_is_not_tried_for_every_shape(model):
    """Each attempt takes as long as many explanations."""

    def by_value(x):
        return model(x)[:, 1] * (1 + float(x.detach().sum()))  # another branch for each input

    def rows(count):
        return torch.rand(count, 5)

    def explain_all(explain):
        for count in (2, 3, 4, 5):
            for _ in range(6):
                x = rows(count)
                assert same(explain(x), usual(by_value, x))

    explain = compile(by_value, rows(2))
    _, messages = warned(lambda: explain_all(explain))
    assert sum("can't be compiled" in message for message in messages) == 2
    assert not any(explain.is_recorded(rows(count)) for count in (2, 3, 4, 5))
