"""Which letters of DNA or protein sequences decide a model's prediction: any model, unmodified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import ATTN_LRP, SECANT, RuleSet
from ..domain import (
    Account, BatchSize, DomainError, Explained, Progress, Question, Read, class_number, device_of, explain_batch,
    logits_of, no_progress, outcomes_of, parameter_of, refuse_training_mode, score_of,
)  # fmt: skip
from .encodings import OneHot, Tokens, tokens_of
from .files import Record, records_of
from .letters import Alphabet, dinucleotide_shuffle
from .results import SequenceRelevance, SequenceRelevances
from .scores import profile


class SequenceExplainer:
    """Explain the predictions of a sequence model by the relevance of letters: bases or residues.

    Sequences of one length share a batch; nothing is padded unless `length` is given.

    Parameters
    ----------
    model
        Any module in eval mode; it is not changed. One-hot models are called with one tensor, others with ``input_ids``
        and ``attention_mask``, as those of transformers.
    alphabet
        ``"DNA"``, ``"protein"``, or letters in the model's order, such as ``"ACGU"``.
    encode
        ``"one-hot"``, or a tokenizer of transformers.
    layout
        Of one-hot encoded input: ``"channels first"`` (B x A x L) or ``"channels last"``. None: what the model accepts.
    unknown
        The one-hot code of an unknown letter (N of DNA, X of proteins): 0, or for example 0.25 for each letter.
    length
        Of the model's input, to which shorter sequences are padded with unknown letters on both sides.
    kmer
        The tokenizer is given overlapping words of so many letters, as that of DNABERT-1.
    embedding
        The name of the module that embeds tokens. None: the one that transformers names.
    classes
        Names of the model's outputs. None: those in the configuration of a model of transformers, else numbers.
    exclusive
        Whether a softmax chooses one class; if not, each output is a label, or a number.
    score
        ``"log-odds"``, ``"margin"``, ``"logit"``, or a function from what the model returns to one number per sequence,
        such as `track`, `counts` and `profile` return.
    rules
        The rule set. None: `ATTN_LRP`, with a reference `SECANT`.
    reference
        What the score is compared with: None, ``"shuffle"`` (dinucleotides are kept), ``"zeros"``, ``"N"`` (all letters
        unknown), ``"mask"`` (the tokenizer's), a sequence or several, or a function from a `Record` to these.
    references, seed
        How many shuffles of a sequence are averaged, and their seed.
    reverse_complement
        Whether outputs (scores that are functions) and relevance are averaged over both strands.
    device
        Where to compute; the model is moved there. None: where it is.
    batch_size
        Sequences at once.

    Examples
    --------
    >>> explainer = SequenceExplainer(model, "DNA", reference="shuffle")
    >>> explainer(read_bed("peaks.bed", "genome.fa")).to_bigwig("relevance.bw", "genome.fa.fai")
    """

    def __init__(
        self, model: nn.Module, alphabet: str = "DNA", encode: Any = "one-hot", *, layout: str | None = None,
        unknown: float = 0.0, length: int | None = None, kmer: int | None = None, embedding: str | None = None,
        classes: Sequence[str] | None = None, exclusive: bool = True,
        score: str | Callable[[Any], Tensor] = "log-odds", rules: RuleSet | None = None, reference: Any = None,
        references: int = 10, seed: int = 0, reverse_complement: bool = False,
        device: str | torch.device | None = None, batch_size: int = 32,
    ) -> None:  # fmt: skip
        self.model = model if device is None else model.to(device_of(device))
        self.alphabet, self.layout, self.unknown, self.length = Alphabet.of(alphabet), layout, unknown, length
        self.encoding = None if encode == "one-hot" else tokens_of(model, encode, embedding, kmer)
        names = getattr(getattr(model, "config", None), "id2label", None)
        self.classes = list(names.values()) if classes is None and names else classes
        self.exclusive, self.score, self.rules, self.seed = exclusive, score, rules, seed
        self.reference, self.references, self.reverse_complement = reference, references, reverse_complement
        self.batch = BatchSize(batch_size, "sequences")
        Question(score=score)  # raises for an unknown one

    def __call__(
        self, sequences: str | Record | Mapping[str, str] | Iterable[str | Record], target: str | int | None = None, *,
        against: str | int | None = None, reference: Any = None, progress: Progress = no_progress,
    ) -> SequenceRelevance | SequenceRelevances:  # fmt: skip
        """Explain a sequence or several.

        Parameters
        ----------
        sequences
            A string, several, a mapping from names to strings, or what `read_fasta`, `read_bed` return.
        target, against
            The class that is explained, and one to contrast it with, by name or number. None: the predicted class.
        reference
            In the place of that of the explainer.
        progress
            Wraps the iteration over batches.
        """
        records, account, results = records_of(sequences), Account(), {}
        reference = self.reference if reference is None else reference
        numbers = (class_number(each, self.classes) if self.classes else each for each in (target, against))
        score = replace(self.score, constant=reference is None) if isinstance(self.score, profile) else self.score
        over_strands = (lambda outputs: sum(map(score, outputs)) / len(outputs)) if callable(score) else score
        rules = self.rules or (ATTN_LRP if reference is None else SECANT)
        question = Question(rules, over_strands, *numbers, exclusive=self.exclusive)

        def explain(batch: Sequence[tuple[int, list[Tensor]]]) -> list[tuple[int, SequenceRelevance]]:
            of_batch = [records[number] for number, _ in batch]
            inputs = [torch.stack(strand) for strand in zip(*(tensors for _, tensors in batch), strict=True)]
            compared = None if reference is None else self._references(of_batch, reference, inputs)
            names = [record.name for record in of_batch]
            explained = explain_batch(self.model, self._read, inputs, question, compared, names)
            account.add(explained.ledger)
            return zip((number for number, _ in batch), self._results(of_batch, explained, inputs, rules), strict=True)

        for batch in progress(self._batches(records), "Explaining"):
            for part in self.batch.run(explain, batch):
                results.update(part)
        items = tuple(results[number] for number in range(len(records)))
        return items[0] if isinstance(sequences, str | Record) else SequenceRelevances(items, account)

    @torch.no_grad()
    def scores(self, sequences: Any, target: str | int | None = None, *, against: str | int | None = None) -> np.ndarray:
        """Return the scores of sequences, without explaining them; the arguments are those of a call."""
        records, scores = records_of(sequences), {}
        numbers = [class_number(each, self.classes) if self.classes else each for each in (target, against)]
        for batch in self._batches(records):
            inputs = [torch.stack(strand) for strand in zip(*(tensors for _, tensors in batch), strict=True)]
            outputs = self._read(self.model, *inputs).outputs
            if callable(self.score):
                values = sum(map(self.score, outputs)) / len(outputs)
            else:
                chosen, other = (None if n is None else torch.full((len(outputs),), n) for n in numbers)
                chosen = outputs.argmax(1) if chosen is None else chosen.to(outputs.device)
                values = score_of(outputs, chosen, self.score, against=other, exclusive=self.exclusive, constant=False)
            scores.update(zip((number for number, _ in batch), values.double().tolist(), strict=True))
        return np.array([scores[number] for number in range(len(records))])

    def _batches(self, records: Sequence[Record]) -> list[list[tuple[int, list[Tensor]]]]:
        """Return the numbers of sequences and their tensors per strand, in batches of one shape."""
        refuse_training_mode(self.model)
        groups: dict[tuple, list] = {}
        for number, record in enumerate(records):
            tensors = self._tensors(self._padded(self.alphabet.check(record.letters, record.name), record.name))
            groups.setdefault(tuple(len(tensor) for tensor in tensors) + tensors[0].shape, []).append((number, tensors))
        size = self.batch.size
        return [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]

    def _padded(self, letters: str, name: str) -> str:
        missing = 0 if self.length is None else self.length - len(letters)
        if missing < 0:
            raise DomainError(f"sequence '{name}' has {len(letters):,} letters, the model {self.length:,}: use windows")
        return self.alphabet.unknown * (missing // 2) + letters + self.alphabet.unknown * (missing - missing // 2)

    def _tensors(self, letters: str) -> list[Tensor]:
        like = parameter_of(self.model)
        if self.encoding is None:
            self.encoding = OneHot.found(self.model, self.alphabet, self.layout, self.unknown, letters)
        return [self.encoding.tensor(strand, like) for strand in self._strands(letters)]

    def _strands(self, letters: str) -> list[str]:
        return [letters, self.alphabet.reverse_complement(letters)] if self.reverse_complement else [letters]

    def _read(self, model: nn.Module, *inputs: Tensor) -> Read[list[Tensor]]:
        """Run the model on each strand; the outputs are the mean logits, or for a function the outputs of each strand."""
        reads = [self.encoding.read(model, strand) for strand in inputs]
        outputs: Any = [read.outputs for read in reads]
        if not callable(self.score):
            outputs = sum(logits_of(each, len(inputs[0])) for each in outputs) / len(outputs)
            if self.classes and outputs.shape[1] != len(self.classes):
                raise DomainError(f"classes has {len(self.classes)} names, but the model {outputs.shape[1]} outputs")
        sources = tuple(source for read in reads for source in read.sources)
        per_strand = [read.per_unit for read in reads]
        return Read(outputs, sources, lambda relevance: [f([r]) for f, r in zip(per_strand, relevance, strict=True)])

    def _references(self, records: Sequence[Record], reference: Any, inputs: list[Tensor]) -> list[Tensor]:
        """Return the references of a batch per strand: K x B, and the shape of an input."""
        of_records = [self._reference(record, reference) for record in records]
        for record, several in zip(records, of_records, strict=True):
            for tensors in several:
                if [tensor.shape for tensor in tensors] != [strand.shape[1:] for strand in inputs]:
                    raise DomainError(
                        f"the reference of '{record.name}' is read in another length ({len(tensors[0])}) than the "
                        f"sequence ({len(inputs[0][0])}): pass one of as many letters and tokens, or 'mask'"
                    )
        counts = {len(several) for several in of_records}
        if len(counts) > 1:
            raise DomainError("all sequences must have the same number of references")
        by_strand = [[[tensors[s] for tensors in several] for several in of_records] for s in range(len(inputs))]
        return [torch.stack([torch.stack(several) for several in strand], 1) for strand in by_strand]

    def _reference(self, record: Record, reference: Any) -> list[list[Tensor]]:
        """Return the tensors of each reference of a sequence, per strand."""
        letters, like = record.letters.upper(), parameter_of(self.model)
        reference = reference(record) if callable(reference) else reference
        if reference == "shuffle":
            reference = [dinucleotide_shuffle(letters, self.seed + number) for number in range(self.references)]
        if reference in ("zeros", "mask"):
            if (reference == "mask") != isinstance(self.encoding, Tokens):
                raise DomainError(f"reference='{reference}' is for {'tokens' if reference == 'mask' else 'one-hot'}")
            padded = self._strands(self._padded(letters, record.name))
            if reference == "mask":
                return [[self.encoding.masked(strand, like) for strand in padded]]
            return [[torch.zeros_like(self.encoding.tensor(strand, like)) for strand in padded]]
        if reference == "N":
            reference = self.alphabet.unknown * len(letters)
        several = [reference] if isinstance(reference, str) else list(reference)
        checked = [self.alphabet.check(each, f"reference of {record.name}") for each in several]
        return [self._tensors(self._padded(each, f"reference of {record.name}")) for each in checked]

    def _results(
        self, records: Sequence[Record], explained: Explained, inputs: list[Tensor], rules: RuleSet
    ) -> list[SequenceRelevance]:
        """Return the relevance of each sequence's letters, of both strands where they are averaged."""
        results, is_one_hot = [], isinstance(self.encoding, OneHot)
        for row, record in enumerate(records):
            padded = self._padded(record.letters.upper(), record.name)
            relevance, hypothetical = 0.0, 0.0 if is_one_hot else None
            for number, strand in enumerate(self._strands(padded)):
                step = -1 if number else 1
                of_letters = self.encoding.per_letter(explained.relevance[number][row], strand)
                if is_one_hot:
                    g = self.encoding.per_letter(explained.ledger.coefficients[number][row], strand)
                    x = self.encoding.per_letter(inputs[number][row], strand)
                    of_letters = of_letters.sum(1)
                    of_all = g - (x * g).sum(1, keepdims=True) + of_letters[:, None]
                    paired = [self.alphabet.letters.index(self._strands(c)[-1]) for c in self.alphabet.letters]
                    hypothetical = hypothetical + (of_all[::-1][:, paired] if number else of_all)
                relevance = relevance + of_letters[::step]
            first = (len(padded) - len(record.letters)) // 2
            inside = slice(first, first + len(record.letters))
            results.append((record, relevance[inside], hypothetical[inside] if is_one_hot else None))
        units = [relevance.sum() for _, relevance, _ in results]
        names, labels = [record.name for record in records], [record.label for record in records]
        outcomes = outcomes_of(explained, units, names, self.classes, labels=labels, rules=rules.name)
        return [
            SequenceRelevance(**vars(outcome), record=r, alphabet=self.alphabet.letters, relevance=of, hypothetical=h)
            for outcome, (r, of, h) in zip(outcomes, results, strict=True)
        ]
