"""Folders and objects of sentence-transformers and SetFit, read without these packages."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import TextError, listed
from ..models.sentence_encoder import Normalised, Residual, SentenceClassifier, SentenceEncoder
from .sentence_settings import fit_tokenizer

# The poolings of sentence-transformers, in the order in which it joins their results.
_POOLINGS = {
    "cls": "first",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean-sqrt-length",
    "weightedmean": "weighted-mean",
    "lasttoken": "last",
}
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_REMEDY = "pass its parts, TextExplainer.from_parts(tokenize, embed, forward, labels)"


def poolings_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the poolings that a configuration of ``Pooling`` describes."""
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for flag, mode in _FLAGS.items() if config.get(flag)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if unknown := [mode for mode in modes if mode not in _POOLINGS]:
        raise TextError(f"unknown pooling '{unknown[0]}' of sentence-transformers; known are {listed(_POOLINGS)}")
    return tuple(_POOLINGS[mode] for mode in modes)


# ---- Folders


def read_encoder(file: Callable[[str], Path | None], transformer: Callable[[str], nn.Module]) -> SentenceEncoder:
    """Return the encoder that a folder of sentence-transformers describes.

    Parameters
    ----------
    file
        From the name of a file in the folder to its path, or None if it is missing.
    transformer
        Loads the transformer, given its subfolder.
    """
    modules = sorted(_json(file("modules.json")), key=lambda module: module["idx"])
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise TextError(
            f"modules.json lists {listed(kinds)}, but only a Transformer followed by Pooling can be read: {_REMEDY}"
        )
    poolings = poolings_of(_json(file(f"{modules[1]['path']}/config.json")))
    layers = [_read_layer(file, kind, module["path"]) for kind, module in zip(kinds[2:], modules[2:], strict=True)]
    warn_of_prompt(file)
    return SentenceEncoder(transformer(modules[0]["path"]), poolings, [layer for layer in layers if layer])


def _json(path: Path | None) -> Any:
    if path is None:
        raise TextError("a file of the sentence-transformers folder is missing: save the model again")
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _read_layer(file: Callable[[str], Path | None], kind: str, path: str) -> nn.Module | None:
    """Return one of the layers behind the pooling; None if it does nothing in eval mode."""
    if kind == "Dropout":
        return None
    if kind == "Normalize":
        return Normalised()
    config = _json(file(f"{path}/config.json")) if kind in ("Dense", "LayerNorm") else {}
    if kind == "LayerNorm":
        layer = nn.LayerNorm(config["dimension"])
        layer.load_state_dict({name.removeprefix("norm."): value for name, value in _weights(file, path).items()})
        return layer
    if kind != "Dense" or config.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        raise TextError(f"modules.json lists the layer {kind} in '{path}', which can't be read: {_REMEDY}")

    weights = _weights(file, path)
    dense = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    dense.load_state_dict({n.removeprefix("linear."): value for n, value in weights.items() if n.startswith("linear.")})
    layer = nn.Sequential(dense, _activation(config.get("activation_function")))
    if not config.get("use_residual"):
        return layer
    projection = None
    if "residual.weight" in weights:
        projection = nn.Linear(config["in_features"], config["out_features"], bias=False)
        projection.load_state_dict({"weight": weights["residual.weight"]})
    return Residual(layer, projection)


def _weights(file: Callable[[str], Path | None], path: str) -> dict[str, torch.Tensor]:
    if safe := file(f"{path}/model.safetensors"):
        from safetensors.torch import load_file

        return load_file(safe)
    if pickled := file(f"{path}/pytorch_model.bin"):
        return torch.load(pickled, map_location="cpu", weights_only=True)
    raise TextError(f"the folder has no weights in '{path}' (model.safetensors or pytorch_model.bin): save it again")


def _activation(name: str | None) -> nn.Module:
    """Return an activation of torch by its full name; nothing else is imported."""
    package, _, short = (name or "torch.nn.modules.activation.Tanh").rpartition(".")
    kind = getattr(nn, short, None) if package.startswith("torch.nn") else None
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise TextError(f"the activation '{name}' of a Dense layer is not a module of torch.nn: {_REMEDY}")
    return kind()


def warn_of_prompt(file: Callable[[str], Path | None]) -> None:
    """Warn if a folder names a prompt that stands before each text; `file` is that of `read_encoder`."""
    config = file("config_sentence_transformers.json")
    _warn_of_prompt(_json(config) if config else {})


def _warn_of_prompt(config: Mapping[str, Any]) -> None:
    if name := config.get("default_prompt_name"):
        prompt = (config.get("prompts") or {}).get(name)
        if prompt:
            warnings.warn(
                f"the model was trained with the prompt '{prompt}' before each text, which is not added: write it in "
                "the texts",
                stacklevel=4,
            )


# ---- Objects


def is_encoder(model: Any) -> bool:
    """Return whether an object is a SentenceTransformer."""
    return _is_of(model, "sentence_transformers", "SentenceTransformer")


def is_setfit(model: Any) -> bool:
    """Return whether an object is a SetFitModel."""
    return _is_of(model, "setfit", "SetFitModel")


def _is_of(model: Any, package: str, name: str) -> bool:
    return any(base.__name__ == name and base.__module__.partition(".")[0] == package for base in type(model).__mro__)


def encoder_of(model: nn.Module) -> tuple[SentenceEncoder, Any]:
    """Return the encoder and the tokenizer of a SentenceTransformer, which share its weights."""
    transformer, *others = model.children()
    kinds = [type(module).__name__ for module in (transformer, *others)]
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise TextError(
            f"the SentenceTransformer consists of {listed(kinds)}, but only a Transformer followed by Pooling can be "
            f"explained: {_REMEDY}"
        )
    layers = [_of_features(module) for module in others[1:]]
    prompt = {"default_prompt_name": getattr(model, "default_prompt_name", None), "prompts": model.prompts}
    _warn_of_prompt(prompt)
    poolings = poolings_of(others[0].get_config_dict())
    encoder = SentenceEncoder(transformer.auto_model, poolings, [layer for layer in layers if layer is not None])
    return encoder, _tokenizer_of(transformer)


def _tokenizer_of(transformer: Any) -> Any:
    """Return the tokenizer of a Transformer; a copy, if the length or the case of its texts is set beside it."""
    tokenizer = transformer.tokenizer
    settings = {name: getattr(transformer, name, None) for name in ("max_seq_length", "do_lower_case")}
    if settings["max_seq_length"] == tokenizer.model_max_length and not settings["do_lower_case"]:
        return tokenizer
    return fit_tokenizer(deepcopy(tokenizer), settings)


def _of_features(module: nn.Module) -> nn.Module | None:
    """Return a layer of sentence-transformers, which takes a dict, as a function of vectors."""
    kind = type(module).__name__
    if kind == "Dropout":
        return None
    if kind == "Normalize":
        return Normalised()
    if kind == "LayerNorm":
        return module.norm
    if kind != "Dense" or getattr(module, "module_input_name", "sentence_embedding") != "sentence_embedding":
        raise TextError(f"the layer {kind} of the SentenceTransformer can't be explained: {_REMEDY}")
    layer = nn.Sequential(module.linear, module.activation_function)
    return Residual(layer, getattr(module, "residual", None)) if getattr(module, "use_residual", False) else layer


def classifier_of(model: Any) -> tuple[SentenceClassifier, Any]:
    """Return the classifier and the tokenizer of a SetFitModel."""
    encoder, tokenizer = encoder_of(model.model_body)
    if getattr(model, "normalize_embeddings", False):
        encoder.layers.append(Normalised())
    head = model.model_head
    several = bool(getattr(model, "multi_target_strategy", None)) or bool(getattr(head, "multitarget", False))
    linear = head.linear if isinstance(head, nn.Module) else _of_scikit_learn(head, several=several)
    names = _names_of(model.labels, getattr(head, "classes_", None), linear.out_features)
    problem_type = "multi_label_classification" if several else "single_label_classification"
    linear = linear.to(next(encoder.parameters()))
    return SentenceClassifier(encoder, linear, [str(name) for name in names], problem_type), tokenizer


def _names_of(labels: Sequence[str] | None, classes: Any, count: int) -> list[Any]:
    """Return the names of a head's outputs: SetFit's labels are those of classes by number, if these are numbers."""
    classes = [] if classes is None else list(classes)
    if len(classes) != count or not all(map(np.isscalar, classes)):  # the two classes of each of several labels
        classes = []
    if labels and classes and all(isinstance(number, Integral) and 0 <= number < len(labels) for number in classes):
        return [labels[number] for number in classes]
    if labels and len(labels) == count and not any(isinstance(name, str) for name in classes):
        return list(labels)
    return classes or list(range(count))


def _of_scikit_learn(head: Any, *, several: bool) -> nn.Linear:
    """Return a logistic regression of scikit-learn as a layer; of two classes, each gets half of the log-odds.

    Of `several` labels the head has a regression each; those of other ensembles vote.
    """
    parts = [head] if hasattr(head, "coef_") else list(getattr(head, "estimators_", [])) if several else []
    shapes = [np.shape(getattr(part, "coef_", 0)) for part in parts]
    # One regression per label: those of a chain also read the labels before theirs, and are of different widths.
    if not shapes or len(shapes[0]) != 2 or len(set(shapes)) > 1 or (parts != [head] and shapes[0][0] != 1):
        raise TextError(f"the head {type(head).__name__} of the SetFitModel is not linear: {_REMEDY}")
    weight = torch.cat([torch.as_tensor(part.coef_) for part in parts])
    bias = torch.cat([torch.as_tensor(part.intercept_) for part in parts])
    if parts == [head] and len(weight) == 1:
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    linear = nn.Linear(weight.shape[1], len(weight))
    linear.load_state_dict({"weight": weight, "bias": bias.expand(len(weight))})
    return linear
