"""Embeddings that are called several times in one forward pass, each with a part of the tokens."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ...domain import Read
from ..errors import TextError
from .positions import Positions


class Columns(NamedTuple):
    """The place of each vector of an embedding's output among the tokens, flat; -1 where it is none of them."""

    rows: np.ndarray
    columns: np.ndarray


class Call(NamedTuple):
    """One call of an embedding.

    Attributes
    ----------
    numbers
        What it is called with; None if these are not integers.
    places
        Their places among the tokens; None if they are unknown.
    is_followed
        Whether the places are known from where the numbers come from, not from their values.
    is_changed
        Whether the places are unknown of what was computed from tokens, or is all of them in another order.
    """

    numbers: np.ndarray | None
    places: Columns | None = None
    is_followed: bool = False
    is_changed: bool = False


@dataclass
class Pieces:
    """The calls of embeddings in one forward pass.

    Attributes
    ----------
    ids, mask
        The tokens that the model is given and whether each is one, B x T.
    positions
        Where the tokens went.
    calls
        Per name of a module, its calls.
    """

    ids: np.ndarray
    mask: np.ndarray
    positions: Positions
    calls: dict[str, list[Call]] = field(default_factory=dict)
    _ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether there is one call, with all tokens in their order, as far as its argument tells."""
        calls = [call for calls in self.calls.values() for call in calls]
        if len(calls) != 1 or calls[0].numbers is None:
            return len(calls) <= 1
        rows, columns = np.indices(self.ids.shape).reshape(2, -1)
        places = calls[0].places
        return calls[0].numbers.shape == self.ids.shape and (
            places is not None and np.array_equal(places.rows, rows) and np.array_equal(places.columns, columns)
        )

    def places_of(self, call: Call) -> Columns | None:
        """Return the places of what an embedding was called with; None if no number is known to be a token."""
        if call.places is None or call.is_followed or call.numbers.size == self.ids.size:
            return call.places
        # Where all tokens were followed, a few numbers that are also those of tokens are others.
        followed = [other.places for calls in self.calls.values() for other in calls if other.is_followed]
        return call.places if self.left_out(followed) else None

    def has_tokens(self, call: Call) -> bool:
        """Return whether an embedding was called with tokens, or with numbers that were computed from them."""
        places = self.places_of(call)
        return call.is_changed or (places is not None and bool((places.columns >= 0).any()))

    def record(self, name: str, tokens: Tensor | None) -> None:
        """Add a call with tokens."""
        numbers = None if tokens is None else tokens.detach().cpu().numpy()
        positions = None if tokens is None else self.positions.of(tokens)
        if positions is not None:
            flat = positions.cpu().numpy().ravel()
            length = self.ids.shape[1]
            places = Columns(np.maximum(flat, 0) // length, np.where(flat < 0, -1, flat % length))
        else:
            places = None if numbers is None else self._found(numbers, *self._ends.get(name, (0, 0)))
        if places is not None and (places.columns >= 0).any():
            self._ends[name] = int(places.rows[-1]), int(places.columns.max()) + 1
        is_changed = places is None and numbers is not None and self._are_changed(tokens, numbers)
        self.calls.setdefault(name, []).append(Call(numbers, places, positions is not None, is_changed))

    def _are_changed(self, tokens: Tensor, numbers: np.ndarray) -> bool:
        """Return whether numbers were computed from tokens, or are all of them in another order."""
        same = numbers.size == self.ids.size and np.array_equal(np.sort(numbers, None), np.sort(self.ids, None))
        return same or self.positions.are_computed(tokens)

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

        if numbers.shape == self.ids.T.shape and np.array_equal(numbers, self.ids.T):
            rows, columns = np.indices(self.ids.shape)
            return Columns(rows.T.ravel(), columns.T.ravel())

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

    def per_token(self, places: Sequence[Columns], relevance: Sequence[Tensor]) -> list[Tensor]:
        """Sum the relevance of the vectors of each call to tokens, B x T (float64)."""
        total = np.zeros(self.ids.shape)
        for place, tensor in zip(places, relevance, strict=True):
            amounts = tensor.double().sum(-1).cpu().numpy().ravel()
            is_token = place.columns >= 0
            np.add.at(total, (place.rows[is_token], place.columns[is_token]), amounts[is_token])
        return [torch.from_numpy(total)]


@contextmanager
def recorded(module: nn.Module, names: Sequence[str], ids: Tensor, mask: Tensor | None) -> Iterator[Pieces]:
    """Record with which tokens embeddings are called."""
    numbers = ids.cpu().numpy() if names else np.zeros((0, 0), np.int64)  # only read where they are looked at
    is_token = np.ones(numbers.shape, bool) if mask is None or not names else mask.bool().cpu().numpy()
    pieces = Pieces(numbers, is_token, Positions(ids))

    def hook(name: str):
        def record(_module: nn.Module, arguments: tuple, keywords: dict) -> None:
            tokens = next((a for a in (*arguments, *keywords.values()) if isinstance(a, Tensor)), None)
            pieces.record(name, None if tokens is None or tokens.dtype not in (torch.int64, torch.int32) else tokens)

        return record

    handles = [module.get_submodule(n).register_forward_pre_hook(hook(n), with_kwargs=True) for n in names]
    try:
        with pieces.positions if names else nullcontext():
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


def read_in_pieces(outputs: Any, kept: Mapping[str, Tensor], pieces: Pieces) -> Read[list[Tensor]]:
    """Return the pass of a model that embeds its tokens by several calls, or in another order."""
    places: list[Columns] = []
    sources: list[Tensor] = []
    changed = 0
    calls = {name: iter(calls) for name, calls in pieces.calls.items()}
    behind = edges_behind(outputs)  # a call may be for something that is not explained
    for name, tensor in kept.items():
        call = next(calls[name.partition(":")[0]])
        if (tensor.grad_fn, tensor.output_nr) not in behind:
            continue
        count, place = tensor[..., 0].numel(), pieces.places_of(call)
        if place is None or len(place.columns) != count:
            changed = max(changed, min(count, int(pieces.mask.sum())) if call.is_changed else 0)
            place = Columns(np.zeros(count, np.int64), np.full(count, -1))  # its relevance belongs to no token
        places.append(place)
        sources.append(tensor)
    if missing := pieces.left_out(places) or changed:
        times = "once" if len(kept) == 1 else f"{len(kept)} times"
        raise TextError(
            f"forward calls the embedding {times}, but not with all of the tokens that it is given: "
            f"{missing} of {int(pieces.mask.sum())} are in no call, or were changed or reordered before; pass an "
            "embed= that is called with the numbers of the tokens; what replaces tokens belongs in tokenize()"
        )
    return Read(outputs, tuple(sources), partial(pieces.per_token, places))
