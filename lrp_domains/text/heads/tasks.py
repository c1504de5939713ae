"""What a model is for, in the words of transformers' pipelines, from what transformers itself tells of its class."""

from torch import nn

from ..errors import TextError, choices

# Task -> the name of the mapping in transformers, and of the class that loads such a model. In this order: BART's
# class, for one, counts as a masked language model as well.
TASKS = {
    "text-classification": ("MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES", "AutoModelForSequenceClassification"),
    "token-classification": ("MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES", "AutoModelForTokenClassification"),
    "question-answering": ("MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES", "AutoModelForQuestionAnswering"),
    "text2text-generation": ("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", "AutoModelForSeq2SeqLM"),
    "fill-mask": ("MODEL_FOR_MASKED_LM_MAPPING_NAMES", "AutoModelForMaskedLM"),
    "text-generation": ("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES", "AutoModelForCausalLM"),
    "sentence-similarity": ("MODEL_MAPPING_NAMES", "AutoModel"),
}


def task_of(model_class: type | str, given: str | None = None) -> str:
    """Give the task of a model class of transformers (or of its name), or of a class derived from one."""
    if given is not None:
        if given not in TASKS:
            raise TextError(f"there is no task {given!r}; {choices(given, TASKS)}")
        return given
    from transformers.models.auto import modeling_auto

    names = [model_class] if isinstance(model_class, str) else [one.__name__ for one in model_class.__mro__]
    for name in names:
        for task, (mapping, _) in TASKS.items():
            for known in getattr(modeling_auto, mapping).values():
                if name == known or (not isinstance(known, str) and name in known):
                    return task
    raise TextError(f"{names[0]} is for none of the tasks known here: pass task=, one of {', '.join(TASKS)}")


def plain_model(model: nn.Module) -> nn.Module:
    """The model of transformers inside an adapter of PEFT, or the model itself."""
    inner = getattr(model, "get_base_model", None)
    return inner() if callable(inner) else model
