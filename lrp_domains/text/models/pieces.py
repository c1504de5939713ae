"""Embeddings that are called several times in one forward pass, each with a part of the tokens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...domain import Read
from ..errors import TextError


class Columns(NamedTuple):
    """The place of each vector of an embedding's output among the tokens, flat; -1 where it is none of them."""

    rows: np.ndarray
    columns: np.ndarray


@dataclass
class Pieces:
    """The calls of embeddings in one forward pass.

    Attributes
    ----------
    ids, mask
        The tokens that the model is given and whether each is one, B x T.
    calls
        Per name of a module, the places of the tokens of each call, None where they are not tokens of the batch.
    """

    ids: np.ndarray
    mask: np.ndarray
    calls: dict[str, list[Columns | None]] = field(default_factory=dict)
    _ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    def record(self, name: str, tokens: Tensor | None) -> None:
        """Add a call with tokens."""
        numbers = None if tokens is None else tokens.detach().cpu().numpy()
        row, column = self._ends.get(name, (0, 0))
        columns = None if numbers is None else self._found(numbers, row, column)
        if columns is not None and (columns.columns >= 0).any():
            self._ends[name] = int(columns.rows[-1]), int(columns.columns.max()) + 1
        self.calls.setdefault(name, []).append(columns)

    def _found(self, numbers: np.ndarray, row: int, column: int) -> Columns | None:
        """Return the places of tokens in all rows, or in a part of one row; those behind the call before come first."""
        count, length = self.ids.shape
        if numbers.ndim == 2 and len(numbers) and numbers.size % count == 0:
            chunk = numbers.reshape(count, -1)  # chunks may be rows of the embedding's batch
            for start in (column, *range(length)):
                if (width := self._matches(chunk, start)) > 0:
                    columns = np.full(chunk.shape, -1)
                    columns[:, :width] = start + np.arange(width)
                    return Columns(np.repeat(np.arange(count), chunk.shape[1]), columns.ravel())

        flat = numbers.ravel()
        if not 0 < len(flat) <= length:
            return None
        others = [(number, start) for number in [*range(row + 1, count), *range(row + 1)] for start in range(length)]
        for number, start in ((row, column), *others):
            if np.array_equal(self.ids[number, start : start + len(flat)], flat):
                return Columns(np.full(len(flat), number), start + np.arange(len(flat)))
        return None

    def _matches(self, chunk: np.ndarray, start: int) -> int:
        """Return how many columns of a chunk are the tokens from a column on, if the others are padding; else 0."""
        width = min(chunk.shape[1], self.ids.shape[1] - start)
        padding = chunk[:, max(width, 0) :]
        is_same = width > 0 and np.array_equal(chunk[:, :width], self.ids[:, start : start + width])
        return width if is_same and (not padding.size or (padding == padding[0, 0]).all()) else 0

    def left_out(self, places: Sequence[Columns]) -> int:
        """Return how many tokens are in none of the places."""
        covered = np.zeros(self.ids.shape, bool)
        for place in places:
            is_token = place.columns >= 0
            covered[place.rows[is_token], place.columns[is_token]] = True
        return int((self.mask & ~covered).sum())

    def per_token(self, places: Sequence[Columns], relevance: Sequence[Tensor]) -> list[np.ndarray]:
        """Sum the relevance of the vectors of each call to tokens, B x T (float64)."""
        total = np.zeros(self.ids.shape)
        for place, tensor in zip(places, relevance, strict=True):
            amounts = tensor.double().sum(-1).cpu().numpy().ravel()
            is_token = place.columns >= 0
            np.add.at(total, (place.rows[is_token], place.columns[is_token]), amounts[is_token])
        return [total]


@contextmanager
def recorded(module: nn.Module, names: Sequence[str], ids: Tensor, mask: Tensor | None) -> Iterator[Pieces]:
    """Record with which tokens embeddings are called."""
    numbers = ids.cpu().numpy()
    pieces = Pieces(numbers, np.ones(numbers.shape, bool) if mask is None else mask.bool().cpu().numpy())

    def hook(name: str):
        def record(_module: nn.Module, arguments: tuple, keywords: dict) -> None:
            tokens = next((a for a in (*arguments, *keywords.values()) if isinstance(a, Tensor)), None)
            pieces.record(name, None if tokens is None or tokens.dtype not in (torch.int64, torch.int32) else tokens)

        return record

    handles = [module.get_submodule(n).register_forward_pre_hook(hook(n), with_kwargs=True) for n in names]
    try:
        yield pieces
    finally:
        for handle in handles:
            handle.remove()


def edges_behind(output: Tensor) -> set[tuple[object, int]]:
    """Return the edges of the graph that an output was computed from."""
    pending, edges = [output.grad_fn], set()
    while pending:
        for edge in pending.pop().next_functions:
            if edge[0] is not None and edge not in edges:
                edges.add(edge)
                pending.append(edge[0])
    return edges


def read_in_pieces(outputs: Any, kept: Mapping[str, Tensor], pieces: Pieces) -> Read[list[np.ndarray]]:
    """Return the pass of a model that embeds its tokens by several calls."""
    places: list[Columns] = []
    sources: list[Tensor] = []
    calls = {name: iter(columns) for name, columns in pieces.calls.items()}
    behind = edges_behind(outputs)  # a call may be for something that is not explained
    for name, tensor in kept.items():
        place = next(calls[name.partition(":")[0]])
        is_used = (tensor.grad_fn, tensor.output_nr) in behind
        count = tensor[..., 0].numel()
        if place is None or len(place.columns) != count:
            place = Columns(np.zeros(count, np.int64), np.full(count, -1))  # its relevance belongs to no token
        if is_used:
            places.append(place)
            sources.append(tensor)
    if missing := pieces.left_out(places):
        raise TextError(
            f"forward calls the embedding {len(kept)} times, but not with all of the tokens that it is given: "
            f"{missing} of {int(pieces.mask.sum())} are in no call, or were changed or reordered before; pass an "
            "embed= that is called with the numbers of the tokens"
        )
    return Read(outputs, tuple(sources), partial(pieces.per_token, places))
