"""One forward pass of the user's model, with the output of its embedding kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ... import capture, unfused
from ...domain import Read
from ...domain.models.recurrent import is_recurrent
from ..errors import TextError
from .eager import eager
from .embedded import Embedded, embedding_others
from .injected import injected
from .pieces import read_in_pieces, recorded
from .wrappers import accepted_inputs, plain_model

EXTRA = "extra"  # the name of the inputs beside the text: a tensor, or a dict of tensors


@dataclass(frozen=True)
class Network:
    """A model, how to call it, and where its embeddings are.

    Attributes
    ----------
    module
        The model, whose parameters the ledger names.
    call
        From tensors by name to the model's outputs.
    words
        The names of the modules that turn tokens into embeddings.
    lookups
        The names of the modules that look up tokens by number, for references; empty if they are unknown.
    added
        The names of those whose outputs are explained along with them (positions, token types).
    two_sides
        Whether the embeddings are used twice, by an encoder and a decoder.
    vocabulary
        The number of different tokens, if the embedding has it.
    recurrent
        Whether the model may contain recurrent layers, whose fused kernels hide their gates.
    keeps_logits
        Whether the model can be told of which tokens to compute logits.
    in_pieces
        Whether an embedding may be called several times, each with a part of the tokens.
    takes_extra
        Whether the model takes inputs beside the text, as `EXTRA` of a batch.
    """

    module: nn.Module
    call: Callable[[Mapping[str, Tensor]], Any]
    words: tuple[str, ...]
    lookups: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    two_sides: bool = False
    vocabulary: int | None = None
    recurrent: bool = True
    keeps_logits: bool = False
    in_pieces: bool = False
    takes_extra: bool = False

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next((parameter.device for parameter in self.module.parameters()), torch.device("cpu"))

    def run(
        self,
        batch: Mapping[str, Tensor],
        embedded: Sequence[Embedded] = (),
        selecting: AbstractContextManager | None = None,
    ) -> Read[list[Tensor]]:
        """Run one forward pass with a graph; its units are the tokens, per side of the model B x T (float64).

        With `embedded`, other tokens are embedded than the model is given; `selecting` is used around the call.
        """
        ids = batch["input_ids"]
        with (
            unfused() if self.recurrent else nullcontext(),
            _one_copy_per_row(self.module, self.added, len(ids)),
            _transposed(self.module, self.words, ids) as transposed,
            # Before other tokens are embedded: their places are those of the tokens.
            recorded(self.module, self.words if self.in_pieces else (), ids, batch.get("attention_mask")) as pieces,
            embedding_others(self.module, self.lookups, embedded, self.two_sides, pieces if self.in_pieces else None),
            capture(self.module, *self.words, *self.added) as kept,
            selecting or nullcontext(),
        ):
            outputs = self.call(batch)

        if not pieces.is_whole:
            return read_in_pieces(outputs, kept, pieces)
        sides = self._sides(kept, len(ids), axis=int(any(transposed)))
        if not sides or not sides[0]:
            raise TextError(
                f"the embedding {' or '.join(self.words)} was not called with one vector per token: name the module "
                "that is, embedding='name' (see dict(model.named_modules()))"
            )
        sources = tuple(tensor for side in sides for tensor in side)
        counts = [len(side) for side in sides]
        return Read(outputs, sources, partial(_per_token, counts=counts, transposed=any(transposed)))

    def outputs_from(
        self,
        batch: Mapping[str, Tensor],
        embeddings: Sequence[Tensor],
        selecting: AbstractContextManager | None = None,
    ) -> Any:
        """Return the outputs for other embeddings than those of the tokens: the sources of a `run` of as many rows."""
        with (
            _one_copy_per_row(self.module, self.added, len(batch["input_ids"])),
            injected(self.module, (*self.words, *self.added), embeddings),
            selecting or nullcontext(),
        ):
            return self.call(batch)

    def predict(self, batch: Mapping[str, Tensor]) -> Any:
        """Return the outputs only."""
        with torch.no_grad():
            return self.call(batch)

    def _sides(self, kept: Mapping[str, Tensor], rows: int, axis: int) -> list[list[Tensor]]:
        """Return the embeddings of each side, in the order of their calls; `axis` is that of the rows."""
        sides: list[list[Tensor]] = []
        for name, tensor in kept.items():
            # A second lookup of tokens begins the decoder; positions and types follow the tokens they are added to.
            if not sides or (self.two_sides and name.partition(":")[0] in self.words and sides[-1]):
                sides.append([])
            if tensor.ndim != 3 or tensor.shape[axis] != rows:
                continue
            if not sides[-1] or tensor.shape[1 - axis] == sides[-1][0].shape[1 - axis]:
                sides[-1].append(tensor)
        return sides


def _per_token(relevance: Sequence[Tensor], *, counts: Sequence[int], transposed: bool) -> list[Tensor]:
    """Sum the relevance of embeddings to tokens, per side B x T, given how many embeddings each side has."""
    parts = iter(relevance)
    sums = [sum(next(parts).double().sum(-1) for _ in range(count)) for count in counts]
    return [total.T if transposed else total for total in sums]


@contextmanager
def _one_copy_per_row(module: nn.Module, names: Sequence[str], rows: int) -> Iterator[None]:
    """Temporarily give each row a copy of an embedding that is looked up once for all, to separate their relevance."""

    def hook(_module, _args, output):
        if isinstance(output, Tensor) and output.ndim >= 2 and output.shape[:-2].numel() == 1:
            return output.reshape(1, *output.shape[-2:]).expand(rows, -1, -1)
        return output

    handles = [module.get_submodule(name).register_forward_hook(hook) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _transposed(module: nn.Module, names: Sequence[str], ids: Tensor) -> Iterator[list[bool]]:
    """Use around a call to find out whether a model looks up its tokens as T x B, like XLNet.

    Yields a list that contains True after the call if so.
    """
    seen = []

    def hook(embedding, arguments):
        tokens = next((argument for argument in arguments if isinstance(argument, Tensor)), None)
        if tokens is not None and tokens.shape == ids.T.shape and torch.equal(tokens, ids.T):
            seen.append(tokens.shape != ids.shape or not torch.equal(tokens, ids))

    handles = [module.get_submodule(name).register_forward_pre_hook(hook) for name in names]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def transformers_network(model: nn.Module, embedding: str = "word") -> Network:
    """Find out how to call a model of transformers, and where it embeds its tokens.

    Parameters
    ----------
    model
        The model, or one wrapped by PEFT.
    embedding
        ``"word"``, ``"sum"`` (what position and type embeddings add counts as the token's), or a glob over the
        names of ``model.named_modules()``.
    """
    words, added = _embeddings(model, embedding)
    accepted = accepted_inputs(model)

    def call(batch: Mapping[str, Tensor]) -> Any:
        inputs = {name: tensor for name, tensor in batch.items() if accepted is None or name in accepted}
        with eager():
            return model(**inputs)

    config = getattr(plain_model(model), "config", None)
    two_sides = bool(getattr(config, "is_encoder_decoder", False))
    table = model.get_submodule(words[0])
    return Network(
        model,
        call,
        words,
        lookups=_lookups(model),
        added=added,
        two_sides=two_sides,
        vocabulary=getattr(table, "num_embeddings", None) if embedding in ("word", "sum") else None,
        recurrent=is_recurrent(model),
        keeps_logits="logits_to_keep" in (accepted or ()) and not two_sides,
    )


def _lookups(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the modules that look up tokens by number; none if the model doesn't report them."""
    try:
        return _embeddings(model, "word")[0]
    except TextError:
        return ()


def _embeddings(model: nn.Module, embedding: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the modules that embed tokens, and of those whose output counts as the tokens'."""
    modules = dict(model.named_modules())
    if embedding not in ("word", "sum"):
        chosen = tuple(name for name in modules if fnmatchcase(name, embedding))
        if not chosen:
            raise TextError(
                f"embedding={embedding!r} is neither 'word' nor 'sum' nor a module of the model "
                "(see dict(model.named_modules()))"
            )
        return chosen, ()
    try:
        input_embedding = model.get_input_embeddings()
    except (AttributeError, NotImplementedError) as error:
        # CANINE hashes characters into several tables, and reports none of them.
        if characters := tuple(name for name in modules if name.rpartition(".")[2] == "char_embeddings"):
            return characters, ()
        raise TextError(
            f"{type(model).__name__} doesn't report its input embedding: name the module, embedding='name'"
        ) from error

    # An encoder and a decoder often have separate modules that share one table.
    tables = {name: module for name, module in modules.items() if isinstance(module, nn.Embedding)}
    weight = getattr(input_embedding, "weight", None)
    words = [name for name, table in tables.items() if table.weight is weight]
    words = words or [name for name, module in modules.items() if module is input_embedding]
    if embedding == "word":
        return tuple(words), ()

    # What is added to a token's embedding has its width; T5's attention biases, say, have another.
    width = getattr(input_embedding, "embedding_dim", None)
    added = [name for name, table in tables.items() if name not in words and table.embedding_dim == width]
    return tuple(words), tuple(added)
