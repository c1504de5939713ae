"""Models and tokenizers by name, from a folder or from the hub."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ...domain import device_of
from ...domain.models.code_refused import code_refused
from ...domain.models.pretrained import load_weights, readable
from ...domain.models.quiet import quiet_library
from ...domain.models.source import NotLookedUpError, Source
from ..errors import TextError
from ..heads.tasks import TASKS, check_task, task_of
from .adapters import Adapter, adapter_of
from .sentence_settings import fit_tokenizer, text_settings
from .sentence_transformers import read_encoder, warn_of_prompt


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

    adapter = adapter_of(source)
    config, tokenizer = _read(source) if adapter is None else adapter.read()
    if task is None and source.file("config_setfit.json") is not None:
        raise TextError(
            f"'{source.name}' is a SetFit model, whose head is a pickle: load it by SetFitModel.from_pretrained(), and "
            "pass it, TextExplainer(model); or explain its encoder with task='sentence-similarity'"
        )

    base = source if adapter is None else adapter.base
    folder, is_known = _of_sentences([source] if adapter is None else [source, base])
    if task is None:
        task = "sentence-similarity" if folder == source else None if adapter is None else adapter.task
        if task is None and folder is not None and adapter is not None and adapter.has_head:
            raise TextError(f"the adapter '{source.name}' has a head, but doesn't name its task: pass task=")
        task = task or ("sentence-similarity" if folder else _task(config, base.name))
    task = check_task(task)

    def transformer() -> nn.Module:
        return _model(base, config, adapter=adapter, task=task, device=device, options=options)

    if task != "sentence-similarity" or folder is None:
        if task == "sentence-similarity" and pooling is None and not is_known:
            _warn_of_pooling(source)
        return transformer(), tokenizer, task
    return *_encoder(folder, transformer, tokenizer, pooling), task


def _read(source: Source) -> tuple[Any, Any]:
    """Return the configuration and the tokenizer of a model."""
    with readable(source, "model with a tokenizer"):
        return source.config(), source.tokenizer()


def _task(config, name: str) -> str:
    classes = getattr(config, "architectures", None) or []
    if not classes:
        raise TextError(f"'{name}' doesn't name its class: pass task=, one of {', '.join(TASKS)}")
    return task_of(classes[0])


# ---- Models


def _model(
    source: Source,
    config: Any,
    *,
    adapter: Adapter | None,
    task: str,
    device: torch.device | None,
    options: Mapping[str, Any],
) -> nn.Module:
    """Load a model for a task in eval mode, with its adapter if it has one."""
    import transformers

    if adapter is not None:
        adapter.set_number_of_labels(config, task)
    stored = (getattr(config, "architectures", None) or [""])[0]
    is_encoder = task == "sentence-similarity" and stored.endswith("EncoderModel") and hasattr(transformers, stored)

    def required(name: str) -> bool:
        # The vectors of tokens are pooled without the pooler of BERT, which may be missing.
        return not (task == "sentence-similarity" and "pooler" in name) and not (adapter and adapter.holds(name))

    model = load_weights(
        source,
        stored if is_encoder else TASKS[task].loader,  # only the encoder of an encoder-decoder may have been saved
        config,
        purpose=task,
        device=device,
        options=options,
        required=required,
        asked=None if adapter is None else adapter.source.name,
    )
    return model if adapter is None else adapter.on(model)


# ---- Sentence encoders


def _of_sentences(sources: Sequence[Source]) -> tuple[Source | None, bool]:
    """Return the first source that is a model of sentence-transformers, and whether all were looked up."""
    is_known = True
    for source in sources:
        try:
            if source.lookup("modules.json") is not None:
                return source, True
        except NotLookedUpError:
            is_known = False
    return None, is_known


def _warn_of_pooling(source: Source) -> None:
    warnings.warn(
        f"the pooling of '{source.name}' is unknown, as its modules.json is not in the cache and could not be "
        "downloaded, so the mean is used: pass pooling=, or load the model once while the hub can be reached",
        stacklevel=6,
    )


def _encoder(
    folder: Source, transformer: Callable[[], nn.Module], tokenizer: Any, pooling: str | None
) -> tuple[nn.Module, Any]:
    """Return the encoder that a folder describes, or only its transformer for another pooling, and the tokenizer."""
    fit_tokenizer(tokenizer, text_settings(folder))
    if pooling is not None:
        warn_of_prompt(folder.file)
        return transformer(), tokenizer

    def at_the_top(subfolder: str) -> nn.Module:
        if subfolder:
            raise TextError(f"the transformer of '{folder.name}' is in '{subfolder}': pass that folder and pooling=")
        return transformer()

    with code_refused(folder.name):
        encoder = read_encoder(folder.file, at_the_top)
    encoder.layers.to(next(encoder.transformer.parameters()))
    return encoder.eval(), tokenizer
