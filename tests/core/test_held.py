"""Selections that are held: the reference is run with what the input selected."""

import pytest
import torch
from torch import nn

from lrp_domains import RelevanceError, ledger_against, relevance_against

from .against import TIGHT, numbers


class Experts(nn.Module):
    """Two of four experts per sample, weighted by a softmax over their scores."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(6, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.GELU()) for _ in range(4))

    def forward(self, x: torch.Tensor, chosen: torch.Tensor | None = None) -> torch.Tensor:
        scores = self.router(x)
        if chosen is None:
            scores, chosen = torch.topk(scores, 2, dim=-1)
        else:
            scores = scores.gather(-1, chosen)
        weights, result = scores.softmax(-1), torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == number)
            result = result.index_add(0, rows, expert(x[rows]) * weights[rows, place, None])
        return result.sum(1)


@pytest.fixture
def experts():
    torch.manual_seed(0)
    return Experts().double()


def test_a_mixture_of_experts_is_complete_with_the_experts_of_the_input(experts):
    x, b = numbers(5, 6, seed=0), numbers(5, 6, seed=1)
    chosen = experts.router(x).topk(2).indices
    assert not torch.equal(chosen, experts.router(b).topk(2).indices)
    with pytest.raises(RelevanceError, match="selections='held'"):
        relevance_against(experts, x, b)

    account = ledger_against(experts, x, b, selections="held")
    assert abs(account.residue) < 1e-12
    torch.testing.assert_close(account.relevance[0].sum(1), experts(x) - experts(b, chosen), **TIGHT)
    expected = relevance_against(lambda x: experts(x, chosen), x, b)
    torch.testing.assert_close(account.relevance[0], expected, **TIGHT)


SELECTING = {
    "topk": lambda x: x.topk(2, dim=1).values,
    "topk by keyword": lambda x: torch.topk(input=x, k=2, dim=1)[0],
    "sort": lambda x: x.sort(dim=1, descending=True).values[:, :2],
    "sort by position": lambda x: torch.sort(x, 1)[0][:, 4:],
    "argsort": lambda x: x.gather(1, x.argsort(1, descending=True)[:, :2]),
    "argmax": lambda x: x.gather(1, x.argmax(1, keepdim=True)),
    "argmin": lambda x: x.gather(1, x.argmin(1, keepdim=True)),
}


@pytest.mark.parametrize("name", SELECTING)
def test_what_is_held_is_gathered_from_the_reference(name):
    x, b = numbers(4, 6, seed=0), numbers(4, 6, seed=1)
    selected = SELECTING[name](x)
    places = torch.stack([(row[:, None] == values).int().argmax(0) for row, values in zip(x, selected, strict=True)])
    r = relevance_against(lambda x: SELECTING[name](x).square().sum(1), x, b, selections="held")
    mask = torch.zeros_like(x).scatter_add(1, places, torch.ones_like(selected))
    torch.testing.assert_close(r, mask * (x.square() - b.square()), **TIGHT)


def test_other_selections_than_those_of_the_input_are_refused():
    x, b = numbers(4, 6, seed=0), numbers(4, 6, seed=1) + 100

    def branching(x):
        return x.topk(2).values.sum(1) if x.sum() < 100 else x.sort().values[:, 0]

    with pytest.raises(RelevanceError, match="calls sort for the references where it didn't for the inputs"):
        relevance_against(branching, x, b, selections="held")
    with pytest.raises(RelevanceError, match='expected "own" or "held"'):
        relevance_against(branching, x, b, selections="all")
