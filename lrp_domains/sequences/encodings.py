"""How a model reads sequences: one-hot encoded letters, or tokens of one or several letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import capture
from ..domain import DomainError, Read, check_choice, parameter_of, reason
from ..genomics.letters import ALPHABETS, Alphabet

LAYOUTS = {"channels first": (1, 0), "channels last": (0, 1)}  # of L x A


@dataclass(frozen=True)
class OneHot:
    """One-hot encoded letters, ``"channels first"`` (A x L) or ``"channels last"`` (L x A), of one or both strands."""

    alphabet: Alphabet
    layout: str
    unknown: float
    both_strands: bool

    def tensor(self, letters: str, like: Tensor) -> Tensor:
        """Return the input for one sequence, without a batch dimension, of the dtype of a parameter."""
        return torch.from_numpy(self.alphabet.one_hot(letters, self.unknown)).permute(LAYOUTS[self.layout]).to(like)

    def values(self, of_input: np.ndarray, letters: str) -> np.ndarray:
        """Return values at the input as L x A."""
        return of_input.transpose(LAYOUTS[self.layout])

    def read(self, model: nn.Module, inputs: Tensor) -> Read[Tensor]:
        """Run the model on each strand; the outputs are a list of theirs."""
        x = inputs if inputs.requires_grad else inputs.detach().requires_grad_()
        strands = [x]
        if self.both_strands:
            of_letters = 1 + LAYOUTS[self.layout].index(1)
            complements = torch.tensor(self.alphabet.complements(), device=x.device)
            strands.append(x.flip(3 - of_letters).index_select(of_letters, complements))
        return Read([model(strand) for strand in strands], (x,), lambda relevance: relevance[0])

    @classmethod
    def of_layout(cls, layout: str, **known: Any) -> OneHot:
        """Return the encoding in a layout; raise if it is unknown."""
        check_choice("layout", layout, LAYOUTS)
        return cls(layout=layout, **known)

    @classmethod
    def found(cls, model: nn.Module, letters: str, **known: Any) -> OneHot:
        """Return the encoding in the layout that the model accepts, found by running it on one sequence."""
        errors = {}
        for name in LAYOUTS:
            try:
                with torch.no_grad():
                    model(cls(layout=name, **known).tensor(letters, parameter_of(model))[None])
            except Exception as error:  # whatever the model's code raises for the wrong shape
                errors[name] = reason(error)
        if len(errors) == 1:
            return cls(layout=min(set(LAYOUTS) - set(errors)), **known)
        seen = "; ".join(f"{name}: {text}" for name, text in errors.items()) or "it accepts both"
        raise DomainError(f"can't find whether the model reads channels first or last ({seen}): pass layout=")


@dataclass(frozen=True)
class Tokens:
    """Tokens of a tokenizer of transformers; one whose words all have `kmer` letters is given all overlapping ones.

    They are separated by spaces, also those of one letter where the tokenizer takes letters together for one word.
    """

    tokenizer: Any
    embedding: str
    kmer: int | None
    special: frozenset[int]

    @classmethod
    def of(cls, model: nn.Module, tokenizer: Any, embedding: str | None) -> Tokens:
        """Return how a model reads tokens; its input embedding is the one that transformers names, or `embedding`."""
        if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
            raise DomainError(f"encode={tokenizer!r}: pass 'one-hot', or a tokenizer of transformers")
        if embedding is None and hasattr(model, "get_input_embeddings"):
            module = model.get_input_embeddings()
            embedding = next((name for name, other in model.named_modules() if other is module), None)
        if embedding is None:
            raise DomainError("the model doesn't say where it embeds tokens: pass embedding=, the name of that module")
        special = set(tokenizer.all_special_ids)
        words = [word for word, number in tokenizer.get_vocab().items() if number not in special]
        lengths = {len(word) for word in words}
        # Words of DNABERT-1 have several letters, those of ProtBert one; others have words of several lengths.
        together = "".join(words[:2])
        kmer = min(lengths) if len(lengths) == 1 and (lengths != {1} or not _knows(tokenizer, together)) else None
        return cls(tokenizer, embedding, kmer, frozenset(special - {tokenizer.unk_token_id}))

    @property
    def of_proteins(self) -> bool:
        """Whether there is a token for each amino acid; those of texts and bytes have small letters too."""
        words = {word.lstrip("▁Ġ") for word in self.tokenizer.get_vocab()}
        return words >= set(ALPHABETS["protein"]) and "a" not in words

    def tensor(self, letters: str, like: Tensor) -> Tensor:
        """Return the numbers of a sequence's tokens."""
        return torch.tensor(self._numbers(letters), device=like.device)

    def values(self, of_tokens: np.ndarray, letters: str) -> np.ndarray:
        """Return values of tokens per letter: each token shares its own equally among the letters that it covers."""
        shared = np.zeros(len(letters))
        for value, (start, end) in zip(of_tokens.tolist(), self.spans(letters), strict=True):
            shared[start:end] += value / max(1, end - start)
        return shared

    def read(self, model: nn.Module, inputs: Tensor) -> Read[Tensor]:
        """Run the model; a token's relevance is the sum over the features of its embedding."""
        with capture(model, self.embedding) as kept:
            outputs = model(input_ids=inputs, attention_mask=torch.ones_like(inputs))
        return Read([outputs], tuple(kept.values()), lambda relevance: sum(r.sum(-1) for r in relevance))

    def masked(self, letters: str, like: Tensor) -> Tensor:
        """Return the numbers of tokens with the mask in place of all but special tokens."""
        if self.tokenizer.mask_token_id is None:
            raise DomainError("reference='mask': the tokenizer has no mask token; use 'shuffle' or a sequence")
        covers = torch.tensor([end > start for start, end in self.spans(letters)], device=like.device)
        return self.tensor(letters, like).masked_fill(covers, self.tokenizer.mask_token_id)

    def spans(self, letters: str) -> list[tuple[int, int]]:
        """Return the letters that each token covers; none, (0, 0), for special tokens."""
        numbers, unknown = self._numbers(letters), self.tokenizer.unk_token_id
        spans, at, end = [], 0, 0
        for number, token in zip(numbers, self.tokenizer.convert_ids_to_tokens(numbers), strict=True):
            known = 1 if number == unknown else len(token.lstrip("▁Ġ").removeprefix("##"))
            length = 0 if number in self.special else self.kmer or known
            end = at + length if length else end
            spans.append((at, end) if length else (0, 0))
            at += min(length, 1) if self.kmer else length
        if end != len(letters):
            raise DomainError(
                f"the tokens of '{letters[:20]}' ... cover {end} of {len(letters)} letters: pass a tokenizer of this "
                f"alphabet{f', and at least {self.kmer} letters' if self.kmer else ''}"
            )
        return spans

    def _numbers(self, letters: str) -> list[int]:
        words = (
            [letters[start : start + self.kmer] for start in range(len(letters) - self.kmer + 1)] if self.kmer else []
        )
        return self.tokenizer(" ".join(words) if self.kmer else letters)["input_ids"]


def _knows(tokenizer: Any, letters: str) -> bool:
    """Return whether a tokenizer has tokens for letters that aren't separated by spaces."""
    return tokenizer.unk_token_id not in tokenizer(letters, add_special_tokens=False)["input_ids"]
