"""Which words decide a model's prediction: any text model, unmodified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..domain import Progress, no_progress
from .arguments import Item, Request, chunks, list_of_texts, requests_of
from .continuation import explain_continuation
from .errors import TextError, about
from .heads.classification import Classification
from .heads.labels import Labels
from .heads.tasks import check_options, check_task
from .models.custom_model import custom_model
from .models.pretrained import load
from .models.text_model import transformers_model
from .pipeline import Pipeline
from .results.collection import TextRelevances, total
from .results.continuation import ContinuationRelevance
from .results.relevance import TextRelevance
from .settings import Settings

# How many batches of a stream are sorted by length together: more saves little padding, and delays the first result.
BATCHES_AT_ONCE = 8


class TextExplainer:
    """Explain the predictions of a text model by the relevance of the words it read.

    Parameters
    ----------
    model
        A model of transformers in eval mode, also one wrapped by PEFT. It is not changed.
    tokenizer
        Its tokenizer.
    task
        What the model is for, if its class doesn't determine it: ``"text-classification"``, ``"token-classification"``,
        ``"question-answering"``, ``"fill-mask"``, ``"text-generation"``, ``"text2text-generation"``,
        ``"multiple-choice"`` or ``"sentence-similarity"``; ``"zero-shot-classification"`` for a model for natural
        language inference that is given `candidates`.
    embedding
        Where relevance is read: ``"word"`` (the output of the model's input embedding), ``"sum"`` (with what
        position and type embeddings add there), or a glob over the names of the modules that return a vector per
        token.
    pooling
        For the similarity of two texts, how a text's vector is pooled from its tokens': ``"mean"``, ``"first"``
        (the [CLS] of BERT), or ``"last"``.
    settings
        How to explain: ``rules``, ``score``, ``words``, ``batch_size``, ``long``, ``window``, ``stride``,
        ``long_text``, ``padding``, ``unknown``, ``reference``; ``problem_type`` of a classifier, ``aggregation`` of a
        tagger, ``candidates``, ``template`` and ``multi_label`` of zero-shot classification, ``no_answer`` of question
        answering. See `Settings`, which has their defaults.

    Examples
    --------
    >>> explainer = TextExplainer.from_pretrained("distilbert-base-uncased-finetuned-sst-2-english")
    >>> result = explainer("I loved every minute of it")
    >>> [(word.text, word.relevance) for word in result.words]
    >>> explainer(reviews, target="POSITIVE", against="NEGATIVE").to_frame()
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        *,
        task: str | None = None,
        embedding: str = "word",
        pooling: str = "mean",
        **settings: Any,
    ) -> None:
        chosen = Settings.of(settings)
        options = {"task": task, "embedding": embedding, "pooling": pooling, "score": chosen.score}
        self._pipeline = Pipeline(transformers_model(model, tokenizer, **options, options=chosen.options), chosen)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        task: str | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        **options: Any,
    ) -> TextExplainer:
        """Load a model and its tokenizer from a folder, or from the hub by name.

        Parameters
        ----------
        name_or_path
            As in transformers' ``from_pretrained``.
        task
            What to load it for, if its configuration doesn't determine it.
        device
            None: a GPU if there is one.
        dtype
            None: as the weights are stored.
        options
            Of `TextExplainer`.
        """
        # A misspelt setting should raise before a large model is loaded.
        chosen = Settings.of({name: value for name, value in options.items() if name not in ("embedding", "pooling")})
        if task is not None:
            check_options(check_task(task), chosen.options)
        model, tokenizer, task = load(name_or_path, task=task, device=device, dtype=dtype)
        return cls(model, tokenizer, task=task, **options)

    @classmethod
    def from_parts(
        cls,
        tokenize: Callable[[str], tuple[Sequence[int], Sequence[tuple[int, int] | None]]],
        embed: nn.Module,
        forward: Callable[[Tensor, Tensor], Tensor],
        labels: Sequence[str],
        *,
        kind: str = "one",
        longest: int | None = None,
        pad: int = 0,
        **settings: Any,
    ) -> TextExplainer:
        """Explain a classifier from outside transformers.

        Parameters
        ----------
        tokenize
            From a text to the numbers of its tokens and, for each, its characters (start, end), or None for a token
            that is not in the text.
        embed
            The module whose output, B x T x H, is explained; `forward` calls it once.
        forward
            The classifier, or a method or function that calls it: from numbers and mask, both B x T, to logits,
            B x K. The mask is True at tokens, False at padding.
        labels
            K names.
        kind
            ``"one"`` (a softmax chooses one label), ``"several"`` (each separately), or ``"number"`` (regression).
        longest
            The largest number of tokens it can read at once, if there is a limit.
        pad
            The number for padding, which ``reference="pad"`` puts in the place of words.
        settings
            See `Settings`.
        """
        chosen = Settings.of(settings)
        if chosen.problem_type is not None:
            raise TextError(f"problem_type={chosen.problem_type!r} is for models of transformers: pass kind= instead")
        check_options("text-classification", chosen.options)
        head = Classification(Labels.named(labels, kind), chosen.score)
        model = custom_model(tokenize, embed, forward, head=head, longest=longest, pad=pad)
        explainer = cls.__new__(cls)
        explainer._pipeline = Pipeline(model, chosen)
        return explainer

    def __repr__(self) -> str:
        rules = self.settings.rule_set(against_reference=self.settings.reads_reference)
        return f"TextExplainer({type(self.model).__name__}, {self.task}, {rules.name})"

    def __call__(
        self,
        texts: Item | Iterable[Item],
        target: Any = None,
        *,
        against: Any = None,
        at: Any = None,
        reference: Any = None,
        progress: Progress = no_progress,
    ) -> TextRelevance | TextRelevances:
        """Explain one text or many.

        Parameters
        ----------
        texts
            A text; a pair of texts as a tuple; for a multiple choice a tuple of a text and a list of its choices; or
            a list of these.
        target
            What to explain: a label, by name or number; for language models a token, a phrase or an answer. None is
            what the model predicts. A list has one target per text. ``"all"`` is each label (choice, candidate) of
            the model, or each entity that a tagger finds.
        against
            What the target is contrasted with, written like the target: the difference of their logits is explained.
            A list has one per text, None for no contrast.
        at
            The place in the text that is explained, where a model predicts something per token: the number of a
            character, a pair (start, end), or words that occur once. A list has one per text.
        reference
            What a text is explained against: the difference of the two scores is then explained, for the target that
            the text itself has. Added tokens, positions, token types, masks and the experts of a mixture are those of
            the text.

            * ``"mask"``, ``"pad"``: the same text with each token of a word replaced by the mask or padding token.
              Special tokens in the text, such as a mask to fill, stay.
            * A text, or a tuple of two for a pair, that has as many tokens.
            * The numbers of as many tokens, with or without those that the tokenizer adds.

            A phrase or an answer that is explained stays in the reference. None is the explainer's reference, and if
            it has none the score itself is explained. For a list of texts, a list has one per text.
        progress
            Wraps the iteration over batches, such as ``rich.progress.track``.

        Returns
        -------
        `TextRelevance` for one text, `TextRelevances` for a list, in its order, or for ``target="all"``, which has any
        number of results per text, one after the other.

        Raises
        ------
        TextError
            A text, target or place does not fit the model, or the model is in training mode.
        lrp_domains.RelevanceError
            The model does something that can't be explained; see `lrp_domains.relevance`.
        """
        single = isinstance(texts, str | tuple)
        wishes = {"target": target, "against": against, "at": at, "reference": [reference] if single else reference}
        requests = requests_of([texts] if single else list_of_texts(texts), **wishes)
        results, account = self._pipeline.explain(requests, progress=progress)
        if single and not self._pipeline.several(requests[0]):
            return results[0]
        return TextRelevances(tuple(results), total(results, account))

    def stream(
        self, texts: Iterable[Item], target: Any = None, *, against: Any = None, at: Any = None, reference: Any = None
    ) -> Iterator[TextRelevance]:
        """Yield explained texts one after the other, for corpora that don't fit into memory.

        The arguments are those of a call, with one target, place and reference for all; it reads at most 8 batches
        ahead.
        """

        def requests() -> Iterator[Request]:
            for number, text in enumerate(texts):
                with about(f"text {number}"):
                    request = Request(text, target, against=against, at=at, reference=reference)
                yield request

        at_once = BATCHES_AT_ONCE * self.settings.batch_size
        for number, chunk in enumerate(chunks(requests(), at_once)):
            results, _ = self._pipeline.explain(chunk, first=number * at_once)
            yield from results

    def continuation(self, text: str, continuation: str | None = None, *, longest: int = 20) -> ContinuationRelevance:
        """Explain every token of a continuation (of an answer, for an encoder-decoder) by all tokens before it.

        Parameters
        ----------
        text
            The text to continue.
        continuation
            Its continuation; None for what the model generates by greedy search.
        longest
            The largest number of tokens to generate.
        """
        return explain_continuation(self._pipeline, text, continuation=continuation, longest=longest)

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self._pipeline.model.network.module

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer, or the function that tokenizes."""
        return self._pipeline.model.tokenizer

    @property
    def task(self) -> str:
        """What the model is for."""
        return self._pipeline.model.task

    @property
    def settings(self) -> Settings:
        """How to explain."""
        return self._pipeline.settings

    @property
    def labels(self) -> Labels | None:
        """The labels of the model; None if it has none."""
        return self._pipeline.model.head.labels
