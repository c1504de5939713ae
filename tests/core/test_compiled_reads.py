"""Whatever Python reads from a tensor is a condition of a recording: for inputs where it differs, numbers are the usual
ones, without the help of the comparison of the first other inputs."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrp_domains import compile, relevance

from .compiled_calls import recordings, same, usual, warned

WEIGHT = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
RECURRENT = nn.RNN(1, 3, batch_first=True)
POSITIVE = torch.tensor([[1.25, 0.5, 0.75, 2.0], [0.25, 1.5, 0.5, 1.0], [3.0, 0.25, 0.5, 1.75]])


def one_of_two(x, condition):
    return (x @ WEIGHT).tanh().sum() if condition else 3 * (x * x).sum()


def first(x):
    return x.detach()[0, 0]


def scalar_in_list(x, copied):
    return ((x @ WEIGHT) * copied([first(x), x.detach()[1, 0], 1.0, 1.0])).sum()


def packed(x):
    lengths = (x.detach() > 0).sum(1).clamp(min=1)
    return nn.utils.rnn.pack_padded_sequence(x.unsqueeze(-1), lengths, batch_first=True, enforce_sorted=False)


def saved_and_loaded(x):
    file = io.BytesIO()
    torch.save(x.detach().clone(), file)
    return torch.load(io.BytesIO(file.getvalue()))


@torch.no_grad()
def on_cpu(x):
    return x.cpu().numpy()


# What is read decides what is computed from x, whose entries are all positive in the recording, then all negative.
READS = {
    "bool": lambda x: one_of_two(x, bool(first(x) > 0)),
    "if": lambda x: one_of_two(x, (x > 0).any() and (x > 0).all()),
    "is_nonzero": lambda x: one_of_two(x, torch.is_nonzero(first(x) > 0)),
    "int": lambda x: (x @ WEIGHT)[:, : 1 + int(first(x) > 0)].sum(),
    "float": lambda x: (x @ WEIGHT).sum() * float(first(x).sign()),
    "item": lambda x: one_of_two(x, first(x).sign().item() > 0),
    "complex": lambda x: one_of_two(x, complex(first(x).sign()).real > 0),
    "tolist": lambda x: one_of_two(x, x.tolist()[0][0] > 0),
    "tolist of data": lambda x: one_of_two(x, x.data.tolist()[0][0] > 0),
    "tolist of a view": lambda x: one_of_two(x, x.detach().view(-1).sign().tolist()[0] > 0),
    "numpy": lambda x: one_of_two(x, x.detach().sign().numpy()[0, 0] > 0),
    "numpy, forced": lambda x: one_of_two(x, x.sign().numpy(force=True)[0, 0] > 0),
    "numpy on the CPU": lambda x: one_of_two(x, on_cpu(x)[0, 0] > 0),
    "asarray": lambda x: one_of_two(x, np.asarray(x.detach().sign())[0, 0] > 0),
    "memoryview": lambda x: one_of_two(x, memoryview(x.detach().sign().numpy())[0, 0] > 0),
    "DLPack": lambda x: one_of_two(x, np.from_dlpack(x.detach().sign())[0, 0] > 0),
    "DLPack to PyTorch": lambda x: one_of_two(x, torch.from_dlpack(x.detach().sign())[0, 0].item() > 0),
    "a file": lambda x: one_of_two(x, saved_and_loaded(x.detach().sign())[0, 0].item() > 0),
    "equal": lambda x: one_of_two(x, torch.equal(x.detach().sign()[0], torch.ones(4))),
    "allclose": lambda x: one_of_two(x, torch.allclose(x.detach().sign()[0], torch.ones(4))),
    "comparison with a number": lambda x: one_of_two(x, first(x).sign() in (1.0, 2.0)),
    "in": lambda x: one_of_two(x, 1 in x.detach().sign()[0]),
    "max": lambda x: one_of_two(x, max(x.detach().sign()[0]) > 0),
    "set": lambda x: one_of_two(x, {float(v) for v in x.detach().sign()[0]} == {1.0}),
    "format": lambda x: one_of_two(x, not f"{first(x).sign():.1f}".startswith("-")),
    "repr": lambda x: one_of_two(x, "-" not in repr(x.detach().sign())),
    "str": lambda x: one_of_two(x, "-" not in str(x.detach().sign())),
    "iteration": lambda x: sum((row @ WEIGHT).sum() if row.detach().sum() > 0 else (row * row).sum() for row in x),
    "unbind": lambda x: one_of_two(x, {t.sign().item() for t in x.detach().unbind()[0]} == {1.0}),
    "nonzero": lambda x: (x @ WEIGHT)[(x[:, 0] > 0).nonzero()[:, 0]].sum() + (x * x).sum(),
    "length of nonzero": lambda x: one_of_two(x, len((x > 0).nonzero()) > 6),
    "argwhere": lambda x: one_of_two(x, len(torch.argwhere(x > 0)) > 6),
    "where of a condition": lambda x: (x @ WEIGHT)[torch.where(x > 0)].sum() + (x * x).sum(),
    "boolean mask": lambda x: (x @ WEIGHT)[x > 0].sum() + (x * x).sum(),
    "length of a masked": lambda x: one_of_two(x, x[x > 0].numel() > 6),
    "masked_select": lambda x: torch.masked_select(x @ WEIGHT, x > 0).sum() + (x * x).sum(),
    "unique": lambda x: one_of_two(x, torch.unique(x.detach().sign()).tolist() == [1.0]),
    "count of unique": lambda x: one_of_two(x, len(torch.unique(x.detach().clamp(max=0.0))) == 1),
    "unique rows": lambda x: one_of_two(x, len(torch.unique(x.detach().clamp(max=0.0), dim=0)) == 1),
    "unique_consecutive": lambda x: one_of_two(x, len(torch.unique_consecutive(x.detach().clamp(max=0.0))) == 1),
    "bincount": lambda x: one_of_two(x, len(torch.bincount((x.detach()[:, 0] > 0).long())) == 2),
    "one_hot": lambda x: one_of_two(x, F.one_hot((x.detach()[:, 0] > 0).long()).shape[1] == 2),
    "repeat_interleave": lambda x: torch.repeat_interleave(x, 1 + (x.detach()[:, 0] > 0).long(), dim=0).square().sum(),
    "index by int": lambda x: (x @ WEIGHT)[int((x[0] > 0).sum()) % 3].sum(),
    "index by a tensor": lambda x: (x @ WEIGHT)[(x.detach()[0] > 0).sum() % 3].sum(),
    "index of a list": lambda x: one_of_two(x, [False, True][(first(x) > 0).long()]),
    "slice by a tensor": lambda x: (x @ WEIGHT)[:, : 1 + (x.detach()[0] > 0).sum()].sum() + (x * x).sum(),
    "set by a list": lambda x: (x @ WEIGHT).index_fill(0, torch.tensor([int(first(x) > 0)]), 0.0).sum(),
    "range": lambda x: sum(((x @ WEIGHT) * (k + 1)).sum() for k in range((x.detach()[0] > 0).sum() + 1)),
    "size": lambda x: one_of_two(x, torch.zeros((x.detach()[0] > 0).sum(), 2).numel() > 3),
    "arange": lambda x: (x @ WEIGHT).sum() * len(torch.arange((x.detach()[0] > 0).sum() + 1)),
    "full": lambda x: ((x @ WEIGHT) * torch.full((4,), first(x).sign())).sum(),
    "linspace": lambda x: ((x @ WEIGHT) * torch.linspace(1.0, first(x), 4)).sum(),
    "alpha": lambda x: torch.add(x @ WEIGHT, x, alpha=first(x).sign()).sum(),
    "exponent": lambda x: (x.abs() ** (1 + int(first(x) > 0))).sum(),
    "tensor_split": lambda x: sum(
        (k + 1) * part.sum()
        for k, part in enumerate(torch.tensor_split(x @ WEIGHT, (x.detach()[0] > 0).sum().view(1), 1))
    ),
    "tensor": lambda x: scalar_in_list(x, torch.tensor),
    "as_tensor": lambda x: scalar_in_list(x, torch.as_tensor),
    "asarray of a list": lambda x: scalar_in_list(x, torch.asarray),
    "new_tensor": lambda x: scalar_in_list(x, x.new_tensor),
    "tensor of a tensor": lambda x: ((x @ WEIGHT) * torch.tensor(x.detach()[0])).sum(),
    "packed sequence": lambda x: packed(x).data.pow(2).sum(),
    "padded sequence": lambda x: nn.utils.rnn.pad_packed_sequence(packed(x))[0].pow(2).sum(),
    "recurrence over lengths": lambda x: RECURRENT(packed(x))[1].sum(),
    "sparse": lambda x: one_of_two(x, (x.detach() * (x.detach() > 0)).to_sparse()._nnz() > 6),
    "rank": lambda x: one_of_two(x, torch.linalg.matrix_rank((x > 0).double()) > 0),
    "histogram": lambda x: one_of_two(x, torch.histc(x.detach(), 2, -9, 9)[1] > 6),
    "address of entries": lambda x: (x @ WEIGHT).as_strided((2, 2), (1, 1), int(first(x) > 0)).sum(),
    "closeness": lambda x: one_of_two(x, all(torch.isclose(x.detach().sign()[0], torch.ones(4)))),
    "sorting": lambda x: (x[sorted(range(3), key=lambda i: x.detach()[i, 0])] * WEIGHT[:3]).sum(),
    "NaN": lambda x: one_of_two(x, not first(x).clamp(max=0.0).log().isnan().item()),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_a_condition(name):
    function = READS[name]
    explain, warnings = warned(lambda: compile(function, POSITIVE, unknown="gradient"))
    # The first other inputs take the same branch.
    for x in (1.5 * POSITIVE, -POSITIVE, -1.5 * POSITIVE, POSITIVE.flip(0), POSITIVE):
        result, messages = warned(explain, x)
        assert same(result, usual(function, x, unknown="gradient"))
        warnings += messages
    assert len(warnings) <= 1
    assert not any("differs" in message for message in warnings)


def test_conditions_are_on_values_alone():
    """A branch that is taken again needs no other recording; each other branch needs one."""

    def function(x):
        return (x @ WEIGHT).sum() if first(x) > 0 else 3 * (x * x).sum()

    explain = compile(function, POSITIVE)
    assert recordings(explain) == 1
    for factor in (0.5, 2.0, 3.0):
        explain(factor * POSITIVE)
    assert recordings(explain) == 1
    explain(-POSITIVE)
    assert recordings(explain) == 2
    for factor in (0.5, -0.5, 2.0, -2.0):
        assert same(explain(factor * POSITIVE), usual(function, factor * POSITIVE))
    assert recordings(explain) == 2


def by_largest_row(x):
    """Take one of six branches."""
    return (x @ WEIGHT).sum() * (1 + int(x.detach()[:, 0].argmax()) + 3 * int(x.detach()[0, 1] > 0))


def six_inputs():
    for row in range(3):
        for sign in (1, -1):
            x = torch.rand(3, 4)
            x[row, 0], x[0, 1] = 5.0, sign * x[0, 1]
            yield x


def test_the_fifth_branch_is_explained_as_usual_with_one_warning():
    inputs = list(six_inputs())
    explain, messages = warned(lambda: compile(by_largest_row, inputs[0]))
    for number, x in enumerate(inputs):
        result, new = warned(explain, x)
        assert same(result, usual(by_largest_row, x))
        messages += new
        assert len(messages) == (number >= 4) and recordings(explain) == (number + 1 if number < 4 else 0)
    assert "test_compiled_reads.py" in messages[0] and "reads a value that decides" in messages[0]
    assert not explain.is_recorded(inputs[0])


def test_the_warning_is_about_the_line_of_the_caller():
    with pytest.warns(UserWarning, match="can't be compiled") as caught:
        explain = compile(by_largest_row, torch.rand(3, 4))
        for x in (*six_inputs(), *six_inputs()):
            explain(x)
    assert [warning.filename for warning in caught] == [__file__]


class Counted:
    """A function whose results depend on how often it was called, which no condition on tensors can see."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return (x @ WEIGHT).sum() * self.calls


def test_state_of_python_is_found_by_the_first_other_inputs():
    explain = compile(Counted(), POSITIVE)
    (score, _), messages = warned(explain, 2 * POSITIVE)
    assert len(messages) == 1 and "differs" in messages[0]
    torch.testing.assert_close(score, 2 * (2 * POSITIVE @ WEIGHT).sum())
    torch.testing.assert_close(explain(POSITIVE)[0], 3 * (POSITIVE @ WEIGHT).sum())


def test_random_numbers_are_found_when_it_is_recorded():
    _, messages = warned(lambda: compile(lambda x: ((x + torch.rand(3, 4)) @ WEIGHT).sum(), POSITIVE))
    assert len(messages) == 1 and "differs" in messages[0]


def test_results_outside_of_pytorch_are_found_when_it_is_recorded():
    """What other code wrote to memory isn't recorded."""

    def function(x):
        factor = torch.from_numpy(np.zeros(4, dtype=np.float32))
        factor += x.detach()[0]
        return (x * factor).sum()

    explain, messages = warned(lambda: compile(function, POSITIVE))
    for x in (2 * POSITIVE, -POSITIVE, POSITIVE):
        assert same(explain(x), usual(function, x)), messages


def test_planning_that_looked_at_values_before_looks_again():
    """Explaining as usual first must not leave anything that a recording lacks conditions for."""

    def function(x):
        return (torch.where(x > 0, x, 0.5 * x) / (1 + torch.exp(-x)) @ WEIGHT).sum()

    for _ in range(3):
        usual(function, POSITIVE)
    explain = compile(function, POSITIVE)
    for x in (1.5 * POSITIVE, -POSITIVE, 30 * POSITIVE, -100 * POSITIVE, 0 * POSITIVE, POSITIVE):
        leaf = x.clone().requires_grad_()
        result, _ = warned(explain, x)
        assert torch.equal(result[1], relevance(function(leaf), leaf))
