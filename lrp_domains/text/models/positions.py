"""Positions of tokens, which are moved along with them through a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# Functions that move the entries of their first argument without changing them, by name.
_MOVES = frozenset(
    """
    __getitem__ as_tensor asarray chunk clone contiguous cpu cuda detach expand expand_as flatten flip fliplr flipud
    gather index_select int long masked_fill masked_select movedim mT narrow pad permute ravel repeat
    repeat_interleave reshape reshape_as roll rot90 select split split_with_sizes squeeze swapaxes swapdims t T
    take_along_dim tensor_split tile to transpose type type_as unbind unflatten unfold unsafe_chunk unsafe_split
    unsqueeze view view_as
    """.split()
)
# Functions that put the entries of several arguments together.
_JOINS = frozenset(
    "cat column_stack concat concatenate dstack hstack pad_sequence row_stack stack vstack where".split()
)
# Functions that write entries into their first argument.
_WRITES = frozenset("__setitem__ copy_ masked_scatter_".split())
# Functions whose result has nothing of their argument's entries.
_NEW = frozenset(
    "empty_like full_like new_empty new_full new_ones new_tensor new_zeros ones_like randint_like zeros_like".split()
)
_FIRST = 1 << 22  # of the positions: what stands among them and is less, such as padding, is no token
_INTEGERS = (torch.int64, torch.int32)


class Positions(TorchFunctionMode):
    """Follow where the tokens of a batch go; numbers that come from elsewhere have no position.

    What takes tokens out of PyTorch, such as a list, is not followed.
    """

    def __init__(self, ids: Tensor) -> None:
        super().__init__()
        self._ids = ids.detach().clone()
        positions = torch.arange(_FIRST, _FIRST + ids.numel(), device=ids.device).reshape(ids.shape)
        # The positions of tensors, None if their numbers were computed from tokens. The tensors are kept beside them:
        # another one could get the identity of one that is gone.
        self._known: dict[int, tuple[Tensor, Tensor | None]] = {id(ids): (ids, positions)}

    def of(self, tokens: Tensor) -> Tensor | None:
        """Return the position of each token in the batch, flat, and -1 for other numbers; None if they are unknown."""
        positions = self._positions(tokens)
        if positions is None or positions.shape != tokens.shape:
            return None
        positions = (positions - _FIRST).clamp(min=-1)
        are_same = self._ids.flatten()[positions.clamp(min=0)] == tokens
        return positions if bool((are_same | (positions < 0)).all()) else None

    def are_computed(self, numbers: Tensor) -> bool:
        """Return whether numbers were computed from tokens, so that their positions are unknown."""
        return id(numbers) in self._known and self.of(numbers) is None

    def __torch_function__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and result.dtype not in _INTEGERS:
            return result
        if any(id(tensor) in self._known for tensor in _tensors((*args, *kwargs.values()))):
            self._update(func, args, kwargs, result)
        return result

    def _positions(self, value: Any) -> Tensor | None:
        return self._known[id(value)][1] if id(value) in self._known else None

    def _in_place_of(self, value: Any) -> Any:
        """Return the positions of tokens, or of those in a list; other values unchanged."""
        if isinstance(value, list | tuple):
            return [self._in_place_of(each) for each in value] if next(_tensors(value), None) is not None else value
        positions = self._positions(value)
        return value if positions is None else positions

    def _update(self, func: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """Do with positions what was done with tokens."""
        name = _name(func)
        if name in _WRITES:
            self._write(func, args, kwargs)
        if name in _WRITES or name in _NEW:
            return
        moved = None
        if name in _JOINS:
            named = {name: self._in_place_of(value) for name, value in kwargs.items()}
            moved = func(*map(self._in_place_of, args), **named)
        elif name in _MOVES and args and self._positions(args[0]) is not None:
            moved = func(self._positions(args[0]), *args[1:], **kwargs)
        elif name in _MOVES and self._positions(kwargs.get("input")) is not None:
            moved = func(*args, **kwargs | {"input": self._positions(kwargs["input"])})

        results = list(_tensors([result]))
        moved = [None] * len(results) if moved is None else _tensors([moved])
        for tokens, positions in zip(results, moved, strict=True):
            # What is changed in place keeps its positions, and is compared with the tokens later.
            if tokens.dtype in _INTEGERS and (positions is not None or id(tokens) not in self._known):
                self._known[id(tokens)] = (tokens, positions)

    def _write(self, func: Callable, args: tuple, kwargs: dict) -> None:
        """Write positions where tokens were written, and remove those of the tokens that were there."""
        target = args[0]
        if target.dtype not in _INTEGERS:
            return
        if id(target) not in self._known:
            self._known[id(target)] = (target, torch.zeros_like(target))
        if self._positions(target) is not None:
            func(self._positions(target), *map(self._in_place_of, args[1:]), **kwargs)


def _tensors(values: Iterable) -> Iterator[Tensor]:
    """Yield the tensors among values and in lists of these."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _name(func: Callable) -> str:
    """Return the name of a function, or that of the property that it returns."""
    name = getattr(func, "__name__", "")
    return getattr(getattr(func, "__self__", None), "__name__", name) if name == "__get__" else name
