"""Which words made a model say so: any text model, unmodified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .. import ATTN_LRP, RuleSet
from .arguments import Item, chunks, listed_texts, one_for_each
from .batches import Batches
from .books import Books
from .errors import TextError
from .heads.classification import Classification
from .heads.labels import Labels
from .heads.table import head_of
from .heads.tasks import plain_model, task_of
from .models.custom_model import encode_with, triple_network
from .models.network import Network, transformers_network
from .models.pretrained import load
from .pipeline import Reader
from .results.collection import TextRelevances, total
from .results.continuation import ContinuationRelevance, explain_continuation
from .results.relevance import TextRelevance
from .settings import Progress, Settings, quietly
from .tokens.encoding import encode
from .tokens.longest import longest

# So many batches of a stream are sorted by length together: more saves little padding, and nobody should wait long.
BATCHES_AT_ONCE = 8


class TextExplainer:
    """Explain what a text model says by the relevance of the words it read.

    Parameters
    ----------
    model
        A model of transformers in eval mode, also one wrapped by PEFT. It is left as it is.
    tokenizer
        Its tokenizer.
    task
        What the model is for, if its class doesn't tell: ``"text-classification"``, ``"token-classification"``,
        ``"question-answering"``, ``"fill-mask"``, ``"text-generation"``, ``"text2text-generation"`` or
        ``"sentence-similarity"``.
    embedding
        Where relevance is taken: ``"word"`` (the output of the model's own input embedding), ``"sum"`` (with what
        position and type embeddings add there), or a glob over the names of the modules that give a vector for each
        token.
    pooling
        For the similarity of two texts, how a text's vector comes from its tokens': ``"mean"``, ``"first"``
        (the [CLS] of BERT), or ``"last"``.
    rules, score, settings
        How to explain: ``rules``, ``score``, ``words``, ``batch_size``, ``long``, ``window``, ``stride``,
        ``padding``, ``unknown``. See `Settings`.

    Examples
    --------
    >>> explainer = TextExplainer.from_pretrained("distilbert-base-uncased-finetuned-sst-2-english")
    >>> result = explainer("I loved every minute of it")
    >>> [(word.text, word.relevance) for word in result.words]
    >>> explainer(reviews, target=("POSITIVE", "NEGATIVE")).to_frame()
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer,
        *,
        rules: RuleSet = ATTN_LRP,
        score: str = "log-odds",
        task: str | None = None,
        embedding: str = "word",
        pooling: str = "mean",
        **settings: Any,
    ) -> None:
        chosen = Settings.of({"rules": rules, "score": score, **settings})
        plain = plain_model(model)
        self.task = task_of(type(plain), task)
        network = transformers_network(model, embedding)
        head = head_of(self.task, plain, tokenizer, network, score, pooling)
        # The mask hides padding; but some classifiers look for the padding token that their configuration names.
        pads = {"input_ids": (getattr(plain.config, "pad_token_id", None), tokenizer.pad_token_id)}
        pads["token_type_ids"] = (getattr(tokenizer, "pad_token_type_id", None),)
        fill = {name: next((one for one in values if one is not None), 0) for name, values in pads.items()}
        self._set_up(network, head, chosen, tokenizer, partial(encode, tokenizer), fill, longest(plain, tokenizer))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        rules: RuleSet = ATTN_LRP,
        score: str = "log-odds",
        task: str | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        **options: Any,
    ) -> TextExplainer:
        """Load a model and its tokenizer from a folder, or from the hub by name.

        Parameters
        ----------
        name_or_path
            As in transformers' ``from_pretrained``.
        rules, score
            See `Settings`.
        task
            What to load it for, if its configuration doesn't tell.
        device
            ``"auto"``: a GPU if there is one.
        dtype
            ``"auto"``: as the weights are stored.
        options
            Of `TextExplainer`.
        """
        given = {name: one for name, one in options.items() if name not in ("embedding", "pooling")}
        Settings.of({"rules": rules, "score": score, **given})  # before the model is loaded
        model, tokenizer, task = load(name_or_path, task, device, dtype)
        return cls(model, tokenizer, rules=rules, score=score, task=task, **options)

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
            that stands in no text.
        embed
            The module whose output, B x T x H, is explained; `forward` calls it once.
        forward
            The classifier, or a method or function that calls it: from numbers and mask, both B x T, to logits,
            B x K. The mask is True at tokens, False at padding.
        labels
            K names.
        kind
            ``"one"`` (a softmax chooses one label), ``"several"`` (each by itself), or ``"number"`` (regression).
        longest
            The most tokens it can read at once, if there is a limit.
        pad
            The number that stands at padded places.
        settings
            See `Settings`.
        """
        chosen = Settings.of(settings)
        self = cls.__new__(cls)
        self.task = "text-classification"
        head, network = Classification(Labels.named(labels, kind), chosen.score), triple_network(embed, forward)
        self._set_up(network, head, chosen, tokenize, partial(encode_with, tokenize), {"input_ids": pad}, longest)
        return self

    def _set_up(self, network: Network, head, settings: Settings, tokenizer, encoder, fill: dict, longest: int | None):
        if settings.window is not None and longest is not None and settings.window > longest:
            raise TextError(f"window={settings.window}: the model reads at most {longest} tokens at once")
        self.model, self.tokenizer, self.settings = network.module, tokenizer, settings
        batches = Batches(network, head, settings, fill)
        self._reader = Reader(network, head, settings, encoder, longest, batches)

    def __repr__(self) -> str:
        return f"TextExplainer({type(self.model).__name__}, {self.task}, {self.settings.rules.name})"

    def __call__(
        self, texts: Item | Iterable[Item], target: Any = None, *, at: Any = None, progress: Progress = quietly
    ) -> TextRelevance | TextRelevances:
        """Explain one text or many.

        Parameters
        ----------
        texts
            A text; a pair of texts as a tuple; or a list of these.
        target
            What to explain. None: what the model says. A label, by name or number. A pair of labels as a tuple: the
            logit of the first minus that of the second. For language models, tokens or phrases in place of labels.
            A list holds one target for each text.
        at
            The place in the text that is explained, where a model says something of each token: a character's number,
            a pair (start, end), or words that occur once. A list holds one for each text.
        progress
            Wraps the iteration over batches, such as ``rich.progress.track``.

        Returns
        -------
        `TextRelevance` for one text, `TextRelevances` for a list, in its order.

        Raises
        ------
        TextError
            A text, target or place does not fit the model.
        lrp_domains.RelevanceError
            The model does something that can't be explained; see `lrp_domains.relevance`.
        """
        single = isinstance(texts, str | tuple)
        given = [texts] if single else listed_texts(texts)
        targets, places = one_for_each(target, len(given), "target"), one_for_each(at, len(given), "at")
        requests = list(zip(given, targets, places, strict=True))
        books = Books()
        found = self._reader.explain(requests, 0, books, progress)
        return found[0] if single else TextRelevances(tuple(found), total(found, books))

    def stream(self, texts: Iterable[Item], target: Any = None, *, at: Any = None) -> Iterator[TextRelevance]:
        """Explain texts one after the other, for corpora that don't fit into memory.

        Takes what a call takes, with one target and one place for all, and reads ahead no further than 8 batches.
        """
        at_once = BATCHES_AT_ONCE * self.settings.batch_size
        for number, chunk in enumerate(chunks(((text, target, at) for text in texts), at_once)):
            yield from self._reader.explain(chunk, number * at_once, Books())

    def continuation(self, text: str, continuation: str | None = None, *, longest: int = 20) -> ContinuationRelevance:
        """Explain every token of a continuation (or, with an encoder-decoder, of an answer) by all read before it.

        Parameters
        ----------
        text
            What is continued.
        continuation
            With what; None for what the model says by greedy search.
        longest
            The most tokens that the model may say.
        """
        reader, head = self._reader, self._reader.head
        if not hasattr(head, "generated"):
            raise TextError(f"a model for {self.task} continues nothing: continuation() is for generation")
        if not isinstance(text, str):
            raise TextError(f"text is of type {type(text).__name__}: give one string")
        encoding = head.ready(reader.fitted(reader.encode([(text,)], 0)[0], 0)[0])
        ids = head.generated(encoding, longest) if continuation is None else head.ids_of(continuation, encoding)
        whole, row = head.continued(encoding, ids)
        reader.check_length([row], 0)
        return explain_continuation(reader.network, whole, row, head, self.settings)

    @property
    def labels(self) -> Labels | None:
        """The labels that the model knows; None for a model without."""
        return getattr(self._reader.head, "labels", None)
