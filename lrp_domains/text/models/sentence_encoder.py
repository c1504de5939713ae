"""Sentence encoders: a transformer, a pooling, and layers behind it, as one module that returns a vector per text."""

from collections.abc import Sequence
from copy import copy
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from ..heads.pooling import pooled
from .wrappers import accepted_inputs, unwrapped


class SentenceEncoder(nn.Module):
    """From the tokens of texts to one vector per text, ``sentence_embedding``.

    Parameters
    ----------
    transformer
        A model of transformers without a head, also one wrapped by PEFT or compiled.
    poolings
        Names of poolings, whose results are joined.
    layers
        What is applied to the pooled vector.
    """

    def __init__(self, transformer: nn.Module, poolings: Sequence[str], layers: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.transformer = transformer = unwrapped(transformer)
        self.poolings = tuple(poolings)
        self.layers = nn.ModuleList(layers)
        self.train(transformer.training)
        self._accepted = accepted_inputs(transformer)

    @property
    def config(self) -> Any:
        """The configuration of the transformer."""
        return self.transformer.config

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding of the transformer."""
        return self.transformer.get_input_embeddings()

    def extra_repr(self) -> str:
        """Return the poolings, for the module's string."""
        return f"poolings={self.poolings}"

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """Return the vector of each text, B x H."""
        accepted = inputs.keys() if self._accepted is None else inputs.keys() & self._accepted
        outputs = self.transformer(**{name: inputs[name] for name in accepted})
        states = getattr(outputs, "last_hidden_state", outputs[0])
        vectors = pooled(states, inputs["attention_mask"], self.poolings)
        for layer in self.layers:
            vectors = layer(vectors.to(states.dtype))
        return SimpleNamespace(sentence_embedding=vectors)


class SentenceClassifier(SentenceEncoder):
    """A sentence encoder with a linear head: from the tokens of texts to ``logits``, B x K, one per label."""

    def __init__(self, encoder: SentenceEncoder, head: nn.Module, labels: Sequence[str], problem_type: str) -> None:
        super().__init__(encoder.transformer, encoder.poolings, encoder.layers)
        self.head = head.train(self.training)
        self._config = copy(encoder.config)
        self._config.id2label, self._config.problem_type = dict(enumerate(labels)), problem_type

    @property
    def config(self) -> Any:
        """The configuration of the transformer, with the labels of the head."""
        return self._config

    def forward(self, **inputs: Tensor) -> SimpleNamespace:
        """Return the logits of each text, B x K."""
        return SimpleNamespace(logits=self.head(super().forward(**inputs).sentence_embedding))


class Normalised(nn.Module):
    """Divides each vector by its length."""

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the vectors with length 1, B x H."""
        return nn.functional.normalize(vectors, dim=-1)


class Residual(nn.Module):
    """Adds its input, or a projection of it, to the result of a layer."""

    def __init__(self, layer: nn.Module, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.layer, self.projection = layer, projection

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the sum, B x H."""
        return self.layer(vectors) + (vectors if self.projection is None else self.projection(vectors))
