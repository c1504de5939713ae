"""Tasks, in the words of transformers' pipelines: which classes of models they have, and which head explains them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...domain import check_choice
from ..errors import TextError
from ..settings import Settings
from ..tokens.tagged_words import prefix_of
from .classification import Classification
from .fill_mask import FillMask
from .head import Head
from .labels import labels_of
from .multiple_choice import MultipleChoice
from .pooling import POOLINGS
from .question_answering import QuestionAnswering
from .sentence_similarity import sentence_similarity
from .text2text_generation import Text2TextGeneration
from .text_generation import TextGeneration
from .token_classification import TokenClassification
from .zero_shot import zero_shot


@dataclass(frozen=True)
class Loaded:
    """What a head is made from.

    Attributes
    ----------
    model, tokenizer
        Of transformers.
    settings
        How to explain.
    pooling
        See `SentenceSimilarity`.
    two_sides
        Whether an encoder and a decoder both read the text.
    """

    model: Any
    tokenizer: Any
    settings: Settings
    pooling: str | None
    two_sides: bool

    def __post_init__(self) -> None:
        if self.pooling is not None:
            check_choice("pooling", self.pooling, POOLINGS)


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
    options
        The names of the options of its head.
    """

    mapping: str
    loader: str
    head: Callable[[Loaded], Head]
    options: tuple[str, ...] = ()


# In this order: BART's class, for example, also counts as a masked language model.
TASKS = {
    "text-classification": Task(
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        "AutoModelForSequenceClassification",
        lambda of: Classification(
            labels_of(of.model.config, of.settings.problem_type), of.settings.score, of.two_sides
        ),
        ("problem_type",),
    ),
    "token-classification": Task(
        "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
        "AutoModelForTokenClassification",
        lambda of: TokenClassification(
            labels_of(of.model.config), of.settings.score, of.settings.aggregation or "average", prefix_of(of.tokenizer)
        ),
        ("aggregation",),
    ),
    "question-answering": Task(
        "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
        "AutoModelForQuestionAnswering",
        lambda of: QuestionAnswering(
            of.settings.score, of.tokenizer.cls_token_id, of.settings.no_answer, two_sides=of.two_sides
        ),
        ("no_answer",),
    ),
    "text2text-generation": Task(
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
        "AutoModelForSeq2SeqLM",
        lambda of: Text2TextGeneration(of.model, of.tokenizer, of.settings.score, of.settings.add_special_tokens),
    ),
    "fill-mask": Task(
        "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
        "AutoModelForMaskedLM",
        lambda of: FillMask(of.tokenizer, of.settings.score, of.settings.spaced, two_sides=of.two_sides),
    ),
    "text-generation": Task(
        "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
        "AutoModelForCausalLM",
        lambda of: TextGeneration(of.model, of.tokenizer, of.settings.score, of.settings.spaced),
    ),
    "sentence-similarity": Task(
        "MODEL_MAPPING_NAMES",
        "AutoModel",
        lambda of: sentence_similarity(of.model, of.pooling, two_sides=of.two_sides),
    ),
    "multiple-choice": Task(
        "MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES",
        "AutoModelForMultipleChoice",
        lambda of: MultipleChoice(of.settings.score),
    ),
    # Models for natural language inference are classifiers, so this task has to be asked for.
    "zero-shot-classification": Task(
        "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
        "AutoModelForSequenceClassification",
        lambda of: zero_shot(of.model.config, of.settings, two_sides=of.two_sides),
        ("candidates", "template", "multi_label"),
    ),
}


def head_of(task: str, loaded: Loaded) -> Head:
    """Return the head of a task; raise if an option is for other tasks."""
    check_options(task, loaded.settings)
    return TASKS[task].head(loaded)


def check_options(task: str, settings: Settings) -> None:
    """Raise if an option is for other tasks, or if candidates are missing."""
    if "candidates" in TASKS[task].options and settings.candidates is None:
        raise TextError(f"task='{task}' requires the labels to choose from: pass candidates=['sports', 'politics']")
    defaults = Settings()
    for other, row in TASKS.items():
        for name in row.options:
            value = getattr(settings, name)
            if value is not getattr(defaults, name) and name not in TASKS[task].options:
                advice = f"pass task='{other}'" if row.mapping == TASKS[task].mapping else "leave it out"
                raise TextError(f"{name}={value!r} is for task='{other}', but this model is for {task}: {advice}")


def check_task(task: str) -> str:
    """Return a task after checking that it is one of `TASKS`."""
    check_choice("task", task, TASKS)
    return task


# A model has one head for both: a row of logits over the vocabulary per token.
_ONE_HEAD = ({"fill-mask", "text-generation"}, {"text-classification", "zero-shot-classification"})


def check_class(task: str, model_class: type) -> None:
    """Raise if a class of transformers has the head of another task; other classes may have any."""
    if not model_class.__module__.startswith("transformers.") or task == "sentence-similarity":
        return
    known = [name for name in TASKS if _is_for(model_class.__name__, name)]
    alike = next((tasks for tasks in _ONE_HEAD if task in tasks), {task})
    if known and alike.isdisjoint(known):
        raise TextError(
            f"task={task!r}: {model_class.__name__} is a model for {known[0]}; leave task= out, or load the model as "
            f"transformers.{TASKS[task].loader}"
        )


def _is_for(class_name: str, task: str) -> bool:
    """Return whether transformers lists a class, by its name, for a task."""
    from transformers.models.auto import modeling_auto

    names = getattr(modeling_auto, TASKS[task].mapping).values()
    return any(class_name == classes or (not isinstance(classes, str) and class_name in classes) for classes in names)


def task_of(model_class: type | str) -> str:
    """Return the task of a model class of transformers (or of its name), or of a class derived from one."""
    names = [model_class] if isinstance(model_class, str) else [base.__name__ for base in model_class.__mro__]
    for name in names:
        for task in TASKS:
            if _is_for(name, task):
                return task
        if name.endswith("EncoderModel"):  # the encoder of T5 and its relatives, which the mappings don't list
            return "sentence-similarity"
    raise TextError(f"the task of {names[0]} is unknown: pass task=, one of {', '.join(TASKS)}")
