"""Tasks, in the words of transformers' pipelines: which classes of models they have, and which head explains them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...domain import check_choice
from ..errors import TextError
from .classification import Classification
from .fill_mask import FillMask
from .head import Head
from .labels import labels_of
from .question_answering import QuestionAnswering
from .sentence_similarity import SentenceSimilarity
from .text2text_generation import Text2TextGeneration
from .text_generation import TextGeneration
from .token_classification import TokenClassification


@dataclass(frozen=True)
class Loaded:
    """What a head is made from.

    Attributes
    ----------
    model, tokenizer
        Of transformers.
    score
        See `Settings`.
    pooling
        See `SentenceSimilarity`.
    two_sides
        Whether an encoder and a decoder both read the text.
    spaced, add_special_tokens
        See `Settings`.
    """

    model: Any
    tokenizer: Any
    score: str
    pooling: str | None
    two_sides: bool
    spaced: bool | None = None
    add_special_tokens: bool | None = None


class Task(NamedTuple):
    """One task.

    Attributes
    ----------
    mapping
        The name of transformers' mapping from kinds of models to their classes for this task.
    loader
        The name of the class that loads such a model.
    head
        Makes its head.
    """

    mapping: str
    loader: str
    head: Callable[[Loaded], Head]


# In this order: BART's class, for example, also counts as a masked language model.
TASKS = {
    "text-classification": Task(
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        "AutoModelForSequenceClassification",
        lambda of: Classification(labels_of(of.model.config), of.score, of.two_sides),
    ),
    "token-classification": Task(
        "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
        "AutoModelForTokenClassification",
        lambda of: TokenClassification(labels_of(of.model.config), of.score),
    ),
    "question-answering": Task(
        "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
        "AutoModelForQuestionAnswering",
        lambda of: QuestionAnswering(of.score),
    ),
    "text2text-generation": Task(
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        "AutoModelForSeq2SeqLM",
        lambda of: Text2TextGeneration(of.model, of.tokenizer, of.score, of.add_special_tokens),
    ),
    "fill-mask": Task(
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
        "AutoModelForMaskedLM",
        lambda of: FillMask(of.tokenizer, of.score, of.spaced),
    ),
    "text-generation": Task(
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
        "AutoModelForCausalLM",
        lambda of: TextGeneration(of.model, of.tokenizer, of.score, of.spaced),
    ),
    "sentence-similarity": Task(
        "MODEL_MAPPING_NAMES",
        "AutoModel",
        lambda of: SentenceSimilarity(of.pooling),
    ),
}


def check_task(task: str) -> str:
    """Return a task after checking that it is one of `TASKS`."""
    check_choice("task", task, TASKS)
    return task


def task_of(model_class: type | str) -> str:
    """Return the task of a model class of transformers (or of its name), or of a class derived from one."""
    from transformers.models.auto import modeling_auto

    names = [model_class] if isinstance(model_class, str) else [base.__name__ for base in model_class.__mro__]
    for name in names:
        for task, (mapping, _, _) in TASKS.items():
            for classes in getattr(modeling_auto, mapping).values():
                if name == classes or (not isinstance(classes, str) and name in classes):
                    return task
    raise TextError(f"the task of {names[0]} is unknown: pass task=, one of {', '.join(TASKS)}")
