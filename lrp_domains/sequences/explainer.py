"""Which letters of DNA or protein sequences decide a model's prediction: any model, unmodified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..domain import (
    DomainError,
    ExplainedTensor,
    Progress,
    Read,
    TensorExplainer,
    check_settings,
    check_whole,
    listed,
    logits_of,
    no_progress,
    parameter_of,
    refuse_training_mode,
)
from ..domain.explanation.hypothetical import hypothetical_contributions
from ..domain.explanation.references import stacked_references
from ..domain.explanation.score_functions import averaged, mean_of
from ..domain.explanation.user_code import calling
from ..genomics.letters import Alphabet
from ..genomics.records import Record, records_of
from ..genomics.shuffles import dinucleotide_shuffle
from .encodings import OneHot, Tokens
from .models import load
from .results import SequenceRelevance, SequenceRelevances
from .scores import profile

REFERENCES = ("shuffle", "zeros", "N", "mask")
Reference = str | Sequence[str] | Callable[[Record], Any]


class SequenceExplainer:
    """Explain the predictions of a sequence model by the relevance of letters: bases or residues.

    Parameters
    ----------
    model
        Any module in eval mode; it is not changed. It is called with one-hot encoded letters, or with ``input_ids`` and
        ``attention_mask``, as those of transformers. Sequences of one length share a batch.
    alphabet
        ``"DNA"``, ``"protein"``, or letters in the model's order, such as ``"ACGU"``. None: DNA, or protein of a
        tokenizer that has a token for each amino acid.
    encode
        ``"one-hot"``, or a tokenizer of transformers.
    layout
        Of one-hot encoded input: ``"channels first"`` (B x A x L) or ``"channels last"``. None: what the model accepts.
    unknown
        The one-hot code of an unknown letter (N of DNA, X of proteins): 0, or for example 0.25 for each letter.
    length
        Of the model's input, to which shorter sequences are padded with unknown letters on both sides.
    embedding
        The name of the module that embeds tokens. None: the one that transformers names.
    score
        ``"log-odds"``, ``"margin"``, ``"logit"``, or a function from what the model returns to one number per sequence,
        such as `track`, `counts` and `profile` return.
    reference
        What the score is compared with: None, ``"shuffle"`` (keeps dinucleotides), ``"zeros"``, ``"N"`` (all letters
        unknown), ``"mask"`` (the tokenizer's), a sequence or several, or a function from a `Record` to these.
    references, seed
        How many shuffles of a sequence are averaged, and their seed.
    reverse_complement
        Whether the outputs for both strands are averaged (scores that are functions, of one-hot encoded DNA).
    settings
        ``classes``, ``exclusive``, ``rules``, ``batch_size``, ``precision`` and ``device``, as in
        `lrp_domains.domain.TensorExplainer`.

    Examples
    --------
    >>> explainer = SequenceExplainer(model, "DNA", reference="shuffle")
    >>> explainer(read_bed("peaks.bed", "genome.fa")).to_bigwig("relevance.bw", "genome.fa.fai")
    """

    def __init__(
        self,
        model: nn.Module,
        alphabet: str | None = None,
        encode: Any = "one-hot",
        *,
        layout: str | None = None,
        unknown: float = 0.0,
        length: int | None = None,
        embedding: str | None = None,
        score: str | Callable[[Any], Tensor] = "log-odds",
        reference: Reference | None = None,
        references: int = 10,
        seed: int = 0,
        reverse_complement: bool = False,
        **settings: Any,
    ) -> None:
        check_settings(settings, SequenceExplainer.__init__)
        check_whole("references", references, 1)
        check_whole("seed", seed, 0)
        if length is not None:
            check_whole("length", length, 1)
        if not isinstance(unknown, Real) or not 0 <= unknown <= 1:
            raise DomainError(f"unknown={unknown!r}: expected a number from 0 to 1, such as 0.25")
        tokens = None if encode == "one-hot" else Tokens.of(model, encode, embedding)
        if alphabet is None:
            alphabet = "protein" if tokens is not None and tokens.of_proteins else "DNA"
        self.alphabet, self.length, self.layout, self.score = Alphabet.of(alphabet), length, layout, score
        self.one_hot = {"alphabet": self.alphabet, "unknown": unknown, "both_strands": reverse_complement}
        # Without a layout, one-hot encoding is found with the first sequence.
        self.encoding = tokens if layout is None or tokens is not None else OneHot.of_layout(layout, **self.one_hot)
        if reverse_complement and (encode != "one-hot" or not self.alphabet.complements()):
            raise DomainError("reverse_complement is for one-hot encoded DNA: explain both strands, and average them")
        self.reference, self.references, self.seed = reference, references, seed
        of_strands = averaged(score) if callable(score) else score
        self.tensors = TensorExplainer(model, self.read, unit="sequences", score=of_strands, **settings)

    def __repr__(self) -> str:
        how = "one-hot" if not isinstance(self.encoding, Tokens) else "tokens"
        return f"SequenceExplainer({self.tensors!r}, {self.alphabet.letters}, {how}, reference={self.reference!r})"

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self.tensors.model

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none before the first call, where nobody named them."""
        return self.tensors.classes

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        device: str | torch.device | None = None,
        revision: str | None = None,
        allow_code: bool = False,
        allow_pickle: bool = False,
        **settings: Any,
    ) -> SequenceExplainer:
        """Load a model.

        Parameters
        ----------
        name
            The ``.yaml`` file that declares your own network (its keys are those of ``network.schema.yaml`` and
            ``model.schema.yaml``), or a folder with a ``model.yaml``; else a classifier of transformers with its
            tokenizer, a folder or a name on the hub.
        device
            None: a GPU if there is one.
        revision
            Branch, tag or commit of a model on the hub.
        allow_code, allow_pickle
            Whether code that a model names may be run, and whether its network may be unpickled.
        settings
            Of `SequenceExplainer`; they take precedence over what is declared.
        """
        check_settings(settings, cls.__init__)
        known = load(name, device=device, revision=revision, allow_code=allow_code, allow_pickle=allow_pickle)
        return cls(**known | settings)

    def __call__(
        self,
        sequences: str | Record | Mapping[str, str] | Iterable[str | Record],
        target: Any = None,
        *,
        against: str | int | None = None,
        reference: Reference | None = None,
        progress: Progress = no_progress,
    ) -> SequenceRelevance | SequenceRelevances:
        """Explain a sequence or several.

        Parameters
        ----------
        sequences
            A string, several, a mapping from names to strings, or what `read_fasta`, `read_bed` return.
        target, against
            The class that is explained, and one to contrast it with, by name or number. None: the predicted class. A
            list has one target per sequence.
        reference
            In the place of that of the explainer.
        progress
            Wraps the iteration over batches.
        """
        records = records_of(sequences)
        names = [record.name for record in records]
        tensors = [self.encoded(record.letters, record.name) for record in records]
        reference = self.reference if reference is None else reference
        score = None
        if isinstance(self.score, profile):  # whose weights are constant only without a reference
            score = averaged(replace(self.score, constant=reference is None))

        def references(x: Tensor, rows: Sequence[int]) -> Tensor:
            return self._references([records[row] for row in rows], reference, x)

        options = {"against": against, "references": None if reference is None else references, "progress": progress}
        options |= {"score": score, "labels": [record.label for record in records]}
        explained = self.tensors(tensors, names, target, **options)
        items = tuple(map(self._result, records, tensors, explained))
        return items[0] if isinstance(sequences, str | Record) else SequenceRelevances(items)

    def read(self, model: nn.Module, inputs: Tensor) -> Read[Tensor]:
        """Run the model; the outputs are mean logits, or for a function what the model returned for each strand."""
        shape, remedy = " x ".join(map(str, inputs.shape[1:])), "pass sequences of its length, its alphabet and layout"
        with calling(f"the model could not read sequences as {shape}", remedy):
            read = self.encoding.read(model, inputs)
        if callable(self.score):
            return read
        try:
            logits = [logits_of(each, len(inputs)) for each in read.outputs]
        except DomainError as error:
            raise DomainError(f"{error}, such as counts(); a declaration names one, such as score: counts") from error
        return replace(read, outputs=mean_of(logits))

    def _padded(self, letters: str, name: str) -> tuple[str, int]:
        """Return checked letters in the model's length, and the number of unknown ones before them."""
        checked = self.alphabet.check(letters, name)
        missing = 0 if self.length is None else self.length - len(letters)
        if missing < 0:
            raise DomainError(f"sequence '{name}' has {len(letters):,} letters, the model {self.length:,}: use windows")
        before, after = missing // 2, missing - missing // 2
        return self.alphabet.unknown * before + checked + self.alphabet.unknown * after, before

    def encoded(self, letters: str, name: str) -> Tensor:
        """Return a sequence as the model reads it, without a batch dimension."""
        padded, _ = self._padded(letters, name)
        if self.encoding is None:
            refuse_training_mode(self.model)  # before it is run
            self.encoding = OneHot.found(self.model, padded, **self.one_hot)
        return self.encoding.tensor(padded, parameter_of(self.model))

    def _references(self, records: Sequence[Record], reference: Reference, inputs: Tensor) -> Tensor:
        """Return the references of a batch, K x B and the shape of an input."""
        of_records = [self._reference(record, reference) for record in records]
        names = [record.name for record in records]
        return stacked_references(of_records, inputs, names, "pass one of as many letters and tokens, or 'mask'")

    def _reference(self, record: Record, reference: Reference) -> list[Tensor]:
        """Return each reference of a sequence as the model reads it."""
        letters = record.letters.upper()
        with calling(f"the reference of '{record.name}' could not be made"):
            reference = reference(record) if callable(reference) else reference
        is_tokens, kind = isinstance(self.encoding, Tokens), reference if isinstance(reference, str) else None
        if kind in ("zeros", "mask") and is_tokens != (kind == "mask"):
            raise DomainError(f"reference='{kind}' is not for {'tokens' if is_tokens else 'one-hot input'}")
        if kind == "mask":
            return [self.encoding.masked(letters, parameter_of(self.model))]
        if kind == "zeros":
            return [torch.zeros_like(self.encoded(letters, record.name))]
        known = self.alphabet.letters
        if kind == "shuffle":
            reference = [dinucleotide_shuffle(letters, self.seed + number) for number in range(self.references)]
        elif kind == "N":
            reference = self.alphabet.unknown * len(letters)
        elif kind is not None and set(kind.upper()) - {*known, self.alphabet.unknown}:
            raise DomainError(f"reference='{kind[:20]}' is none of {listed(REFERENCES)}, nor a sequence of {known}")
        several = [reference] if isinstance(reference, str | Record) else reference
        if not isinstance(several, Iterable) or not (several := list(several)):
            raise DomainError(
                f"the reference of '{record.name}' is {several!r}: pass {listed(REFERENCES)}, or sequences"
            )
        several = [each.letters if isinstance(each, Record) else each for each in several]
        encoded = [self.encoded(each, f"reference of {record.name}") for each in several]
        if self.length and any(len(each) != len(letters) for each in several):  # they are padded to the same shape
            raise DomainError(f"a reference of '{record.name}' has not {len(letters)} letters, as the sequence has")
        return encoded

    def _result(self, record: Record, x: Tensor, explained: ExplainedTensor) -> SequenceRelevance:
        """Return the relevance of a sequence's letters, and contributions of all letters where it is one-hot."""
        padded, first = self._padded(record.letters, record.name)
        inside = slice(first, first + len(record.letters))
        relevance, hypothetical = self.encoding.values(explained.relevance, padded)[inside], None
        if isinstance(self.encoding, OneHot):
            relevance = relevance.sum(1)
            if (g := explained.coefficients) is not None:
                x, g = (self.encoding.values(values, padded)[inside] for values in (x.double().numpy(force=True), g))
                hypothetical = hypothetical_contributions(x, g, relevance)
        known = {"units": float(relevance.sum()), "record": record, "alphabet": self.alphabet.letters}
        known |= {"relevance": relevance, "hypothetical": hypothetical}
        return SequenceRelevance(**vars(explained.outcome) | known)
