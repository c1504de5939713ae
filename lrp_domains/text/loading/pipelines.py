"""Pipelines of transformers: their model, their task, and the options of a head that they hold."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..heads.tasks import TASKS

# Other names of transformers' pipelines, and the task that feature extraction is here.
_TASKS = {
    "sentiment-analysis": "text-classification",
    "ner": "token-classification",
    "feature-extraction": "sentence-similarity",
    "summarization": "text2text-generation",
    "translation": "text2text-generation",
}
# A pipeline's parameter, and the option of a head that is the same.
_OPTIONS = {
    "function_to_apply": "problem_type",
    "aggregation_strategy": "aggregation",
    "candidate_labels": "candidates",
    "hypothesis_template": "template",
    "multi_label": "multi_label",
    "handle_impossible_answer": "no_answer",
}
# "none" is left out of both: it is no way to choose a label, nor to join tokens to a word.
_PROBLEM_TYPES = {"softmax": "single_label_classification", "sigmoid": "multi_label_classification"}
_VALUES = {
    "function_to_apply": _PROBLEM_TYPES,
    "aggregation_strategy": {name: name for name in ("simple", "first", "average", "max")},
}


def is_pipeline(model: Any) -> bool:
    """Return whether an object is a pipeline of transformers."""
    return not isinstance(model, nn.Module) and all(hasattr(model, name) for name in ("model", "tokenizer", "task"))


def pipeline_task(pipeline: Any) -> str | None:
    """Return the task of a pipeline; None if it is none of `TASKS`."""
    task = _TASKS.get(pipeline.task, pipeline.task)
    return task if task in TASKS else None


def pipeline_options(pipeline: Any, task: str | None) -> dict[str, Any]:
    """Return the options of a task's head that a pipeline holds, by name; none for a task that isn't the pipeline's."""
    if task is None or task != pipeline_task(pipeline):
        return {}
    options = {}
    for name, option in _OPTIONS.items():
        value = _parameters(pipeline).get(name)
        value = getattr(value, "value", value)  # of an enumeration
        if name in _VALUES:
            value = _VALUES[name].get(str(value).lower())
        if value is not None and option in TASKS[task].options:
            options[option] = value
    return options


def _parameters(pipeline: Any) -> Mapping[str, Any]:
    parts = (getattr(pipeline, f"_{step}_params", None) or {} for step in ("preprocess", "forward", "postprocess"))
    return {name: value for parameters in parts for name, value in parameters.items()}
