"""One forward pass of a model that isn't ours, with the output of its own embedding kept."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ... import capture, unfused
from ..errors import TextError
from ..heads.tasks import plain_model


@dataclass(frozen=True)
class Pass:
    """What a forward pass left: the outputs, and for each side of the model the embeddings it used.

    Embeddings are B x T x H each, or T x B x H if they are turned.
    """

    outputs: Any
    sides: list[list[Tensor]]
    turned: bool = False

    @property
    def embeddings(self) -> list[Tensor]:
        """Those of all sides."""
        return [tensor for side in self.sides for tensor in side]

    def by_token(self, relevance: Sequence[Tensor]) -> list[np.ndarray]:
        """For each side the relevance of each token, B x T (float64), from that of each embedding."""
        parts = iter(relevance)
        sums = [sum(next(parts).double().sum(-1) for _ in side) for side in self.sides]
        return [(one.T if self.turned else one).cpu().numpy() for one in sums]


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
    added
        The names of those whose outputs are explained along with them (positions, token types).
    two_sides
        Whether the embeddings are used twice, by an encoder and a decoder.
    vocabulary
        How many different tokens the model knows, where its embedding tells.
    recurrent
        Whether it may hold recurrent layers, whose fused kernels hide their gates.
    """

    module: nn.Module
    call: Callable[[Mapping[str, Tensor]], Any]
    words: tuple[str, ...]
    added: tuple[str, ...] = ()
    two_sides: bool = False
    vocabulary: int | None = None
    recurrent: bool = True

    @property
    def device(self) -> torch.device:
        return next((p.device for p in self.module.parameters()), torch.device("cpu"))

    def run(self, batch: Mapping[str, Tensor]) -> "Pass":
        """One forward pass with a graph."""
        if self.module.training:
            raise TextError("the model is in training mode, where dropout makes every pass another: call model.eval()")
        ids = batch["input_ids"]
        with (
            unfused() if self.recurrent else nullcontext(),
            _own_rows(self.module, self.added, len(ids)),
            _turned(self.module, self.words, ids) as turned,
            capture(self.module, *self.words, *self.added) as kept,
        ):
            outputs = self.call(batch)
        sides: list[list[Tensor]] = []
        axis = int(any(turned))
        for name, tensor in kept.items():
            if not sides or (self.two_sides and name.partition(":")[0] in self.words and sides[-1]):
                sides.append([])
            if tensor.ndim != 3 or tensor.shape[axis] != len(ids):
                continue
            if not sides[-1] or tensor.shape[1 - axis] == sides[-1][0].shape[1 - axis]:
                sides[-1].append(tensor)
        if not sides or not sides[0]:
            raise TextError(
                f"the embedding {' or '.join(self.words)} was not called with one vector a token: name the module that "
                "is, embedding='name' (see dict(model.named_modules()))"
            )
        return Pass(outputs, sides, any(turned))

    def predict(self, batch: Mapping[str, Tensor]) -> Any:
        """Give the outputs alone."""
        with torch.no_grad():
            return self.call(batch)


@contextmanager
def _own_rows(module: nn.Module, names: Sequence[str], rows: int) -> Iterator[None]:
    """Give every row its own copy of an embedding that is looked up once for all, so that relevance stays by row."""

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
def _turned(module: nn.Module, names: Sequence[str], ids: Tensor) -> Iterator[list[bool]]:
    """See whether a model looks up its tokens as T x B, as XLNet does: a list that holds True if so."""
    seen = []

    def hook(embedding, arguments):
        given = next((one for one in arguments if isinstance(one, Tensor)), None)
        if given is not None and given.shape == ids.T.shape and torch.equal(given, ids.T):
            seen.append(given.shape != ids.shape or not torch.equal(given, ids))

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
    parameters = inspect.signature(plain_model(model).forward).parameters
    # A forward that names its tokens tells what else it takes; one that only passes things on takes all.
    known = set(parameters) if "input_ids" in parameters else None

    def call(batch: Mapping[str, Tensor]) -> Any:
        return model(**{name: value for name, value in batch.items() if known is None or name in known})

    config = getattr(plain_model(model), "config", None)
    two_sides = bool(getattr(config, "is_encoder_decoder", False))
    table = model.get_submodule(words[0])
    vocabulary = getattr(table, "num_embeddings", None) if embedding in ("word", "sum") else None
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    return Network(model, call, words, added, two_sides, vocabulary, recurrent)


def _embeddings(model: nn.Module, embedding: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
        named = model.get_input_embeddings()
    except (AttributeError, NotImplementedError) as error:
        raise TextError(
            f"{type(model).__name__} doesn't tell where its input embedding is: name the module, embedding='name'"
        ) from error
    tables = {name: module for name, module in modules.items() if isinstance(module, nn.Embedding)}
    # An encoder and a decoder often have modules of their own that share one table.
    words = [name for name, module in tables.items() if module.weight is getattr(named, "weight", None)]
    words = words or [name for name, module in modules.items() if module is named]
    if embedding == "word":
        return tuple(words), ()
    # What is added to a token's embedding has its width; T5's biases of attention, say, have not.
    width = getattr(named, "embedding_dim", None)
    return tuple(words), tuple(name for name, one in tables.items() if name not in words and one.embedding_dim == width)
