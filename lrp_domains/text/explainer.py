"""Which words decide a model's prediction: any text model, unmodified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from .. import RuleSet
from ..domain import Clock, Progress, in_precision, no_progress
from ..domain.models.source import Source
from ..evaluation.rivals import Rival
from .arguments import Item, Message
from .continuation import explain_continuation
from .errors import TextError
from .heads.classification import Classification
from .heads.labels import Labels
from .heads.tasks import check_options, check_task
from .loading.pretrained import load
from .loading.unwrap import parts_of
from .models.custom_model import custom_model
from .models.text_model import TextModel, transformers_model
from .requests import chunks, is_single, requests_of, stream_of_requests
from .results.collection import TextRelevances, total
from .results.continuation import ContinuationRelevance
from .results.relevance import TextRelevance
from .running.pipeline import Pipeline
from .settings import Settings


class TextExplainer:
    """Explain the predictions of a text model by the relevance of the words it read.

    Parameters
    ----------
    model
        A model of transformers in eval mode, also one wrapped by PEFT, quantised or compiled; it is not changed. Or a
        pipeline, a SentenceTransformer, or a SetFitModel, whose tokenizer is used; of a pipeline also what it holds of
        `problem_type`, `aggregation`, `candidates`, `template`, `multi_label` and `no_answer`.
    tokenizer
        Its tokenizer, or the folder or name to load it from. None: the model's, by its name.
    task
        What the model is for, if its class doesn't determine it: ``"text-classification"``, ``"token-classification"``,
        ``"question-answering"``, ``"fill-mask"``, ``"text-generation"``, ``"text2text-generation"``,
        ``"multiple-choice"`` or ``"sentence-similarity"``; ``"zero-shot-classification"`` for a model for natural
        language inference that is given `candidates`.
    embedding
        Where relevance is read: ``"word"`` (the output of the input embedding), ``"sum"`` (with what position and type
        embeddings add there), or a glob over the names of the modules that return a vector per token.
    pooling
        For the similarity of two texts, how a text's vector is pooled: ``"mean"``, ``"first"`` ([CLS]), ``"last"``,
        ``"max"``, ``"mean-sqrt-length"`` or ``"weighted-mean"``. None: as sentence-transformers does, else the mean.
    settings
        How to explain: the fields of `Settings`, such as ``rules``, ``words``, ``batch_size``, ``window``.

    Examples
    --------
    >>> explainer = TextExplainer.from_pretrained("distilbert-base-uncased-finetuned-sst-2-english")
    >>> explainer("I loved every minute of it").print()
    >>> explainer(reviews, target="POSITIVE", against="NEGATIVE").to_frame()
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        task: str | None = None,
        embedding: str = "word",
        pooling: str | None = None,
        **settings: Any,
    ) -> None:
        Settings.of(settings)  # raises for a misspelt one
        parts = parts_of(model, tokenizer, task, pooling=pooling)
        chosen = Settings.of({**parts.options, **settings})
        options = {"task": parts.task, "embedding": embedding, "pooling": pooling, "settings": chosen}

        def computing_in(precision: str | None) -> TextModel:
            return transformers_model(in_precision(parts.model, precision), parts.tokenizer, **options)

        self._pipeline = Pipeline(computing_in(chosen.precision), chosen)
        if chosen.half_precision is not None:
            self._pipeline.single = Pipeline(computing_in("fp32"), chosen)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        task: str | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        torch_dtype: str | torch.dtype | None = None,
        revision: str | None = None,
        attn_implementation: str | None = None,
        quantization_config: Any = None,
        device_map: Any = None,
        trust_remote_code: bool = False,
        subfolder: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | None = None,
        local_files_only: bool | None = None,
        **options: Any,
    ) -> TextExplainer:
        """Load a model and its tokenizer from a folder, or from the hub by name.

        Parameters
        ----------
        name_or_path
            As in transformers' ``from_pretrained``; also an adapter of PEFT, which is loaded with its base model, and a
            model of sentence-transformers, with its pooling and the layers behind it.
        task
            What to load it for, if its configuration doesn't determine it.
        device
            None: a GPU if there is one.
        revision, subfolder, token, cache_dir, local_files_only
            Where the files are, as in transformers.
        dtype, attn_implementation, quantization_config, device_map
            How the model is loaded, as in transformers; by default with the precision of the stored weights.
            ``torch_dtype`` is an older name of ``dtype``. With ``device_map``, leave ``device`` out.
        trust_remote_code
            Whether code that comes with the model, or with its tokenizer, may be run; you are never asked.
        options
            Of `TextExplainer`.
        """
        # A misspelt setting raises before a large model is loaded.
        chosen = Settings.of({name: value for name, value in options.items() if name not in ("embedding", "pooling")})
        if task is not None:
            check_options(check_task(task), chosen)
        files = {"revision": revision, "subfolder": subfolder, "token": token, "cache_dir": cache_dir}
        source = Source.of(name_or_path, trust_remote_code, local_files_only=local_files_only, **files)
        loading = {"dtype": dtype, "torch_dtype": torch_dtype, "attn_implementation": attn_implementation}
        loading |= {"quantization_config": quantization_config, "device_map": device_map}
        model, tokenizer, task = load(source, task=task, device=device, pooling=options.get("pooling"), options=loading)
        return cls(model, tokenizer, task=task, **options)

    @classmethod
    def from_parts(
        cls,
        tokenize: Callable[[str], tuple[Sequence[int], Sequence[tuple[int, int] | None]]],
        embed: nn.Module,
        forward: Callable[..., Any],
        labels: Sequence[str] | Mapping[int, str],
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
            The module whose output, B x T x H, is explained. `forward` calls it once, or several times with parts of
            the tokens, such as chunks of a long text.
        forward
            The classifier, or a method or function that calls it: from numbers and mask, both B x T, to logits,
            B x K, alone or in a tuple or dict. The mask is True at tokens, False at padding. Inputs beside the text
            (``extra=`` of a call) follow: one as a third argument, a dict by name.
        labels
            K names in order, or a dict from number to name.
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
        if chosen.precision is not None:
            raise TextError("precision= is for models of transformers: convert the model, and leave it out")
        check_options("text-classification", chosen)
        head = Classification(Labels.named(labels, kind), chosen.score)
        explainer, parts = cls.__new__(cls), {"head": head, "longest": longest, "pad": pad}
        explainer._pipeline = Pipeline(custom_model(tokenize, embed, forward, **parts), chosen)
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
        extra: Any = None,
        progress: Progress = no_progress,
    ) -> TextRelevance | TextRelevances:
        """Explain one text or many.

        Parameters
        ----------
        texts
            A text; a pair as a tuple; for a multiple choice a tuple of a text and a list of its choices; a chat, a list
            of messages with "role" and "content"; or a list of these.
        target
            What to explain: a label, by name or number; for language models a token, a phrase or an answer, as a
            string or as the numbers of its tokens. None is what the model predicts. ``"all"`` is each label (choice,
            candidate), or each entity that a tagger finds. For a list of texts, a list has one target per text, such as
            ``[[5, 6], [7]]``, and a tuple of numbers is for all; for a single text both are one phrase.
        against
            What the target is contrasted with, written like the target: the difference of their logits is explained.
        at
            The place in the text that is explained, where a model predicts something per token: the number of a
            character, a pair (start, end), or words that occur once. A list has one per text.
        reference
            What a text is explained against: the difference of the two scores is then explained, for the target that
            the text itself has. ``"mask"`` or ``"pad"`` (each token of a word replaced by that token, special tokens
            in the text stay), a text (a tuple of two for a pair) of as many tokens, or the numbers of as many tokens,
            with or without those that the tokenizer adds. All but the tokens of words is that of the text: positions,
            masks, experts, a phrase or answer that is explained. None is the explainer's reference, and if it has none
            the score itself is explained. For a list of texts, a list has one per text.
        extra
            Inputs beside the text, for a model of `from_parts`: numbers, or a dict of these by name of `forward`'s
            arguments. For a list of texts, a list or array has one per text. They get no relevance.
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
            The model does something that can't be explained.
        """
        requests = requests_of(texts, target=target, against=against, at=at, reference=reference, extra=extra)
        results, account = self._pipeline.explain(requests, progress=progress)
        if is_single(texts) and not self._pipeline.several(requests[0]):
            return results[0]
        return TextRelevances(tuple(results), total(results, account))

    def stream(
        self,
        texts: Iterable[Item],
        target: Any = None,
        *,
        against: Any = None,
        at: Any = None,
        reference: Any = None,
        extra: Any = None,
    ) -> Iterator[TextRelevance]:
        """Yield explained texts one after the other, for corpora that don't fit into memory.

        The arguments are those of a call, with one target, place and reference for all; `extra` may be an iterator. At
        most 8 batches are read ahead. A single text, pair or chat is a stream of one.
        """
        requests = stream_of_requests(texts, target=target, against=against, at=at, reference=reference, extra=extra)
        for first, chunk in chunks(requests, self._pipeline.rows_at_once.number):
            results, _ = self._pipeline.explain(chunk, first=first)
            yield from results

    def continuation(
        self, text: str | Sequence[Message], continuation: str | Sequence[int] | None = None, *, longest: int = 20
    ) -> ContinuationRelevance:
        """Explain every token of a continuation (of an answer, for an encoder-decoder) by all tokens before it.

        Parameters
        ----------
        text
            The text to continue, or a chat.
        continuation
            Its continuation, or the numbers of its tokens; None for what the model generates by greedy search.
        longest
            The largest number of tokens to generate.
        """
        return explain_continuation(self._pipeline, text, continuation=continuation, longest=longest)

    def explaining_by(self, rules: RuleSet | Rival | None, reference: Any = None) -> TextExplainer:
        """Return an explainer of the same model by other rules, or a rival, and against another reference.

        Parameters
        ----------
        rules, reference
            As in `Settings`.
        """
        explainer, pipeline = TextExplainer.__new__(TextExplainer), self._pipeline
        options = {"compile": False} if isinstance(rules, Rival) else {}
        settings = replace(pipeline.settings, rules=rules, reference=reference, **options)
        explainer._pipeline = Pipeline(pipeline.model, settings)
        explainer._pipeline.padding = pipeline.padding  # which side is right depends on the model
        return explainer

    @property
    def clock(self) -> Clock:
        """Where the time of all calls went: tokenizing, explaining, and writing of corpora."""
        return self._pipeline.clock

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
