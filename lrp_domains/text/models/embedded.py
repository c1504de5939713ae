"""References: other tokens are embedded than the model is given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import TextError
from ..tokens.replacement import STAYS
from .pieces import Call, Pieces


@dataclass(frozen=True)
class Embedded:
    """Tokens to embed in place of others on one side of a model.

    Attributes
    ----------
    own, others
        The numbers of the tokens that the model is given and of those to embed, B x T; `STAYS` elsewhere.
    """

    own: Tensor
    others: Tensor

    def in_place_of(self, tokens: Any, positions: Tensor | None = None) -> Tensor | None:
        """Return the tokens that a lookup is called with, changed; None if they are not these.

        They are B x T or T x B, or of any shape if their positions in the batch are known (-1 for others).
        """
        if positions is not None:
            own, others = (numbers.flatten()[positions.clamp(min=0)] for numbers in (self.own, self.others))
            changed = torch.where((positions >= 0) & (own != STAYS), others.to(tokens), tokens)
            return changed if bool((positions >= 0).any()) else None
        if not isinstance(tokens, Tensor) or tokens.ndim != 2:
            return None
        for own, others in ((self.own, self.others), (self.own.T, self.others.T)):
            # Some models pad their tokens to a multiple of a window.
            extra = tokens.shape[1] - own.shape[1]
            if len(tokens) != len(own) or extra < 0:
                continue
            own, others = (nn.functional.pad(numbers, (0, extra), value=STAYS) for numbers in (own, others))
            if torch.equal(tokens[own != STAYS], own[own != STAYS]):
                return torch.where(own != STAYS, others, tokens)
        return None


@contextmanager
def embedding_others(
    module: nn.Module, names: Sequence[str], embedded: Sequence[Embedded], two_sides: bool, pieces: Pieces | None = None
) -> Iterator[None]:
    """Temporarily embed other tokens than the model is given: it still counts positions and masks by its tokens."""
    matched: set[int] = set()
    missed: list[Call] = []

    def hook(_module, arguments, keywords):
        number = min(len(matched), len(embedded) - 1) if two_sides else 0
        for key, tokens in (*enumerate(arguments), *keywords.items()):
            positions = pieces.positions.of(tokens) if pieces and isinstance(tokens, Tensor) else None
            changed = embedded[number].in_place_of(tokens, positions)
            if changed is not None:
                matched.add(number)
                if isinstance(key, int):
                    return (*arguments[:key], changed, *arguments[key + 1 :]), keywords
                return arguments, keywords | {key: changed}
        if pieces:
            missed.extend(calls[-1] for calls in pieces.calls.values())
        return None  # a model may look up other numbers in the same table, such as XLM its token types

    modules = [module.get_submodule(name) for name in names] if embedded else []
    handles = [lookup.register_forward_pre_hook(hook, with_kwargs=True) for lookup in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    if len(matched) < len(embedded) or any(pieces.has_tokens(call) for call in missed):
        raise TextError(
            f"the embedding {' or '.join(names)} is not called with the numbers of the tokens, so those of a reference "
            "can't be embedded in their place"
        )
