"""Where the tokens of a batch go in a forward pass."""

import pytest
import torch
from torch import nn

from lrp_domains.text.models.positions import Positions

IDS = torch.tensor([[5, 5, 7, 9], [5, 6, 5, 0]])


def in_a_buffer(ids):
    padded = torch.full((2, 5), 5)
    padded[:, :4] = ids
    return padded


def with_a_mask_token(ids):
    changed = ids.clone()
    changed[:, 0] = 5
    return changed


@pytest.mark.parametrize(
    "move, positions",
    [
        (lambda ids: ids, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (lambda ids: ids.T, [[0, 4], [1, 5], [2, 6], [3, 7]]),
        (lambda ids: ids.long().flip(1).contiguous(), [[3, 2, 1, 0], [7, 6, 5, 4]]),
        (lambda ids: ids.roll(1, dims=1).int(), [[3, 0, 1, 2], [7, 4, 5, 6]]),
        (lambda ids: ids.chunk(2, 1)[1].reshape(-1), [2, 3, 6, 7]),
        (lambda ids: torch.stack([row[[3, 0]] for row in ids]), [[3, 0], [7, 4]]),
        (lambda ids: torch.gather(input=ids, dim=1, index=torch.tensor([[3], [1]])), [[3], [5]]),
        (lambda ids: ids[ids > 5], [2, 3, 5]),
        (lambda ids: ids.unfold(1, 3, 1)[0], [[0, 1, 2], [1, 2, 3]]),
        (lambda ids: torch.cat([torch.full((2, 1), 5), ids], 1), [[-1, 0, 1, 2, 3], [-1, 4, 5, 6, 7]]),
        (lambda ids: nn.functional.pad(ids, (1, 0), value=5), [[-1, 0, 1, 2, 3], [-1, 4, 5, 6, 7]]),
        (lambda ids: torch.where(ids > 5, ids, 5), [[-1, -1, 2, 3], [-1, 5, -1, -1]]),
        (lambda ids: ids.masked_fill(ids > 5, 5), [[0, 1, -1, -1], [4, -1, 6, 7]]),
        (lambda ids: torch.empty_like(ids).copy_(ids.flip(0)), [[4, 5, 6, 7], [0, 1, 2, 3]]),
        (in_a_buffer, [[0, 1, 2, 3, -1], [4, 5, 6, 7, -1]]),
        (with_a_mask_token, [[-1, 1, 2, 3], [-1, 5, 6, 7]]),
    ],
)
def test_tokens_are_followed(move, positions):
    ids = IDS.clone()
    with Positions(ids) as followed:
        moved = move(ids)
    assert followed.of(moved).tolist() == positions
    assert not followed.are_computed(moved)


def test_numbers_that_are_computed_from_tokens_or_come_from_elsewhere_have_no_positions():
    ids = IDS.clone()
    with Positions(ids) as followed:
        computed = [
            ids + 1,
            ids.sort(1).values,
            ids.clone().add_(1),
            ids.flip(1) * 2,
            ids.cumsum(1),
            ids.flip(0)[0] % 4,
        ]
        others = [torch.tensor(ids.tolist()), torch.zeros_like(ids), torch.arange(ids.shape[1])]
    assert [followed.are_computed(numbers) for numbers in computed + others] == [True] * 6 + [False] * 3
    assert all(followed.of(numbers) is None for numbers in computed + others)
