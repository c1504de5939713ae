"""Models and tokenizers by name, from a folder or from the hub."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...domain import device_of, reason
from ..errors import TextError, listed
from ..heads.tasks import TASKS, check_task, task_of
from .quiet import quiet_library
from .sentence_transformers import read_encoder
from .source import Source

# The tasks of adapters, in PEFT's words.
_OF_ADAPTERS = {
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "CAUSAL_LM": "text-generation",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "FEATURE_EXTRACTION": "sentence-similarity",
}


@quiet_library()
def load(
    source: Source,
    *,
    task: str | None,
    device: str | torch.device | None,
    pooling: str | None = None,
    options: Mapping[str, Any],
) -> tuple[nn.Module, object, str]:
    """Load a model in eval mode and its tokenizer; return them with the model's task.

    Parameters
    ----------
    source
        The folder or name.
    task, device, pooling
        As in `TextExplainer.from_pretrained`.
    options
        Further options of transformers' ``from_pretrained``: ``dtype``, ``torch_dtype``, ``attn_implementation``,
        ``quantization_config``, ``device_map``.
    """
    options = {name: value for name, value in options.items() if value is not None}
    if "dtype" in options and "torch_dtype" in options:
        raise TextError("dtype= and torch_dtype= are the same option: pass dtype=")
    if device is not None and "device_map" in options:
        raise TextError("device= and device_map= both say where the model is: pass one of them")
    options = {"dtype": options.pop("torch_dtype", "auto"), **options}
    device = None if "device_map" in options else device_of(device)
    if (adapter := source.file("adapter_config.json")) is not None:
        settings = json.loads(adapter.read_text(encoding="utf-8"))
        return _adapted(source, settings, task=task, device=device, options=options)

    try:
        config = source.config()
        tokenizer = source.tokenizer()
    except (OSError, ValueError) as error:
        where = "the folder has no model with a tokenizer" if source.is_folder else "it is not a folder"
        raise TextError(
            f"'{source.name}' could not be loaded, {where}: {reason(error)}; pass a folder that save_pretrained() "
            "wrote, model and tokenizer, or a name on the hub"
        ) from error

    of_sentences = source.file("modules.json") is not None
    if task is None and source.file("config_setfit.json") is not None:
        raise TextError(
            f"'{source.name}' is a SetFit model, whose head is a pickle: load it by SetFitModel.from_pretrained(), and "
            "pass it, TextExplainer(model); or explain its encoder with task='sentence-similarity'"
        )
    if task is None:
        task = "sentence-similarity" if of_sentences else _task(config, source.name)
    task = check_task(task)
    if task == "sentence-similarity" and of_sentences and pooling is None:
        return *_encoder(source, config, tokenizer, device, options), task
    model, missing = _model(source, config, task=task, device=device, options=options)
    _check_weights(source.name, missing, task)
    return model, tokenizer, task


def _model(
    source: Source, config: Any, *, task: str, device: torch.device | None, options: Mapping[str, Any]
) -> tuple[nn.Module, Sequence[str]]:
    """Load a model for a task in eval mode; return it with the names of weights that it lacks."""
    import transformers

    loader = getattr(transformers, TASKS[task].loader)
    is_quantised = "quantization_config" in options or getattr(config, "quantization_config", None) is not None
    if is_quantised and device is not None:  # quantised weights are made on their device
        options, device = {**options, "device_map": {"": device}}, None
    options = {**options, **source.options, "trust_remote_code": source.trust_remote_code}
    try:
        model, report = loader.from_pretrained(source.name, config=config, output_loading_info=True, **options)
    except (OSError, ValueError, ImportError) as error:
        raise TextError(f"'{source.name}' could not be loaded for {task}: {reason(error)}") from error
    model = model if device is None else model.to(device)
    return model.eval(), sorted(report["missing_keys"])


def _check_weights(name: str, missing: Sequence[str], task: str) -> None:
    if missing:
        raise TextError(
            f"'{name}' has no weights for {listed(missing, 3)}, which would be random: it was not trained for {task}; "
            "use a fine-tuned model"
        )


def _task(config, name: str) -> str:
    classes = getattr(config, "architectures", None) or []
    if not classes:
        raise TextError(f"'{name}' doesn't name its class: pass task=, one of {', '.join(TASKS)}")
    return task_of(classes[0])


# ---- Sentence encoders


def _encoder(
    source: Source, config: Any, tokenizer: Any, device: torch.device | None, options: Mapping[str, Any]
) -> tuple[nn.Module, Any]:
    """Load a folder of sentence-transformers: the transformer, its pooling, what is behind it, and its tokenizer."""

    def transformer(subfolder: str) -> nn.Module:
        if subfolder:
            raise TextError(f"the transformer of '{source.name}' is in '{subfolder}': pass that folder and pooling=")
        model, missing = _model(source, config, task="sentence-similarity", device=device, options=options)
        # Encoders use no pooler: that of BERT may be missing.
        _check_weights(source.name, [name for name in missing if "pooler" not in name], "sentence-similarity")
        return model

    encoder = read_encoder(source.file, transformer)
    encoder.layers.to(next(encoder.transformer.parameters()))
    settings_file = source.file("sentence_bert_config.json")
    settings = json.loads(settings_file.read_text(encoding="utf-8")) if settings_file else {}
    if limit := settings.get("max_seq_length"):
        tokenizer = source.tokenizer(model_max_length=limit)
    if settings.get("do_lower_case"):
        _lower_cased(tokenizer)
    return encoder.eval(), tokenizer


def _lower_cased(tokenizer: Any) -> None:
    """Make a tokenizer lower-case its texts."""
    from tokenizers import normalizers

    if not getattr(tokenizer, "is_fast", False):
        raise TextError("do_lower_case of sentence_bert_config.json requires a fast tokenizer: save one in the folder")
    inner = tokenizer.backend_tokenizer
    steps = [step for step in (normalizers.Lowercase(), inner.normalizer) if step is not None]
    inner.normalizer = normalizers.Sequence(steps)


# ---- Adapters


def _adapted(
    source: Source,
    settings: Mapping[str, Any],
    *,
    task: str | None,
    device: torch.device | None,
    options: Mapping[str, Any],
) -> tuple[nn.Module, object, str]:
    """Load an adapter of PEFT with its base model; return the model, the tokenizer and the task."""
    try:
        from peft import PeftModel
    except ImportError as error:
        raise TextError(f"'{source.name}' is an adapter of PEFT, which is missing: pip install peft") from error

    base = Source(_base(source, settings), _options_of_base(source, settings), source.trust_remote_code)
    try:
        config = base.config()
        tokenizer = (source if source.file("tokenizer_config.json") else base).tokenizer()
    except (OSError, ValueError) as error:
        raise TextError(
            f"the base model '{base.name}' of the adapter '{source.name}' could not be loaded: {reason(error)}; "
            "correct base_model_name_or_path in its adapter_config.json"
        ) from error
    task = task or _OF_ADAPTERS.get(settings.get("task_type") or "") or _task(config, base.name)
    task = check_task(task)

    weights = _adapter_weights(source)
    heads = [name for name, shape in weights.items() if len(shape) == 2 and _saved_head(name, settings)]
    if heads and task in ("text-classification", "token-classification"):
        count = weights[heads[-1]][0]
        if count != config.num_labels:
            config.num_labels = count
    model, missing = _model(base, config, task=task, device=device, options=options)
    saved = settings.get("modules_to_save") or []
    missing = [name for name in missing if not any(part in saved for part in name.split("."))]
    _check_weights(source.name, missing, task)
    try:
        model = PeftModel.from_pretrained(model, source.name, **source.options)
    except (OSError, ValueError, RuntimeError) as error:
        raise TextError(f"the adapter '{source.name}' does not fit '{base.name}': {reason(error)}") from error
    return model.eval(), tokenizer, task


def _base(source: Source, settings: Mapping[str, Any]) -> str:
    """Return the name of an adapter's base model; a relative path may start from the adapter's folder."""
    name = settings.get("base_model_name_or_path")
    if not name:
        raise TextError(f"'{source.name}' is an adapter whose adapter_config.json names no base model")
    beside = Path(source.name, name)
    return str(beside) if source.is_folder and not Path(name).exists() and beside.is_dir() else name


def _options_of_base(source: Source, settings: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in source.options.items() if name not in ("revision", "subfolder")}
    return options | ({"revision": settings["revision"]} if settings.get("revision") else {})


def _adapter_weights(source: Source) -> dict[str, list[int]]:
    """Return the shapes of an adapter's weights by name; empty if they are not in safetensors."""
    path = source.file("adapter_model.safetensors")
    if path is None:
        return {}
    from safetensors import safe_open

    with safe_open(path, framework="pt") as weights:
        return {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118


def _saved_head(name: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a weight is that of a head which the adapter saves as a whole."""
    heads = {*(settings.get("modules_to_save") or []), "classifier", "score"}
    return name.endswith(".weight") and "lora_" not in name and any(part in heads for part in name.split("."))
