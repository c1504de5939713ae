"""Adapters of PEFT: their base model, their task, and the weights that they hold."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...domain import reason
from ...domain.models.code_refused import code_refused
from ...domain.models.source import Source
from ..errors import TextError
from ..heads.tasks import TASKS

# The tasks of adapters, in PEFT's words.
_TASKS = {
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
    "CAUSAL_LM": "text-generation",
    "SEQ_2_SEQ_LM": "text2text-generation",
    "FEATURE_EXTRACTION": "sentence-similarity",
}


@dataclass(frozen=True)
class Adapter:
    """An adapter of PEFT.

    Attributes
    ----------
    source
        Where it is loaded from.
    settings
        Its ``adapter_config.json``.
    base
        Where its base model is loaded from.
    """

    source: Source
    settings: Mapping[str, Any]
    base: Source

    @property
    def task(self) -> str | None:
        """The task, if the settings name it."""
        return _TASKS.get(self.settings.get("task_type") or "")

    def read(self) -> tuple[Any, Any]:
        """Return the configuration of the base model, and the tokenizer: the adapter's if it has one."""
        name = self.source.name
        try:
            import peft  # noqa: F401
        except ImportError as error:
            raise TextError(f"'{name}' is an adapter of PEFT, which is missing: pip install peft") from error

        try:
            config = self.base.config()
            return config, (self.source if self.source.file("tokenizer_config.json") else self.base).tokenizer()
        except TextError:
            raise
        except (OSError, ValueError) as error:
            raise TextError(
                f"the base model '{self.base.name}' of the adapter '{name}' could not be loaded: {reason(error)}; "
                "correct base_model_name_or_path in its adapter_config.json"
            ) from error

    @property
    def has_head(self) -> bool:
        """Whether it has saved whole modules beside those of the encoder, such as a classifier."""
        return bool(self.settings.get("modules_to_save"))

    def holds(self, name: str) -> bool:
        """Return whether the adapter holds a weight of the model as a whole."""
        return any(other.endswith(f".{name}") for other in self.weights)

    @cached_property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its weights by name."""
        if path := self.source.file("adapter_model.safetensors"):
            from safetensors import safe_open

            with safe_open(path, framework="pt") as weights:
                return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
        if path := self.source.file("adapter_model.bin"):
            with code_refused(self.source.name):
                weights = torch.load(path, map_location="meta", weights_only=True)
            return {name: tuple(weight.shape) for name, weight in weights.items()}
        return {}

    def set_number_of_labels(self, config: Any, task: str) -> None:
        """Set the number of labels in the configuration of the base model to that of the head the adapter holds."""
        if task not in ("text-classification", "token-classification") or not self.weights:
            return
        for head in _rows_per_label(config, task, self.base.trust_remote_code):
            for name, shape in self.weights.items():
                if name.endswith(f".{head}") and shape[0] != config.num_labels:
                    config.num_labels = shape[0]

    def on(self, model: nn.Module) -> nn.Module:
        """Return the base model with the adapter."""
        from peft import PeftModel

        try:
            with code_refused(self.source.name):
                return PeftModel.from_pretrained(model, self.source.name, **self.source.options).eval()
        except TextError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            raise TextError(
                f"the adapter '{self.source.name}' does not fit '{self.base.name}': {reason(error)}"
            ) from error


def adapter_of(source: Source) -> Adapter | None:
    """Return the adapter of a folder or repository; None if it has none."""
    path = source.file("adapter_config.json")
    if path is None:
        return None
    settings = json.loads(path.read_text(encoding="utf-8"))
    options = {name: value for name, value in source.options.items() if name not in ("revision", "subfolder")}
    options |= {"revision": settings["revision"]} if settings.get("revision") else {}
    return Adapter(source, settings, Source(_base(source, settings), options, source.trust_remote_code))


def _base(source: Source, settings: Mapping[str, Any]) -> str:
    """Return the name of an adapter's base model; a relative path may start from the adapter's folder."""
    name = settings.get("base_model_name_or_path")
    if not name:
        raise TextError(f"'{source.name}' is an adapter whose adapter_config.json names no base model")
    beside = Path(source.name, name)
    return str(beside) if source.is_folder and not Path(name).exists() and beside.is_dir() else name


def _rows_per_label(config: Any, task: str, trust_remote_code: bool) -> list[str]:
    """Return the names of the weights of a model that have one row per label."""
    import transformers

    loader, shapes = getattr(transformers, TASKS[task].loader), []
    for count in (2, 3):
        changed = deepcopy(config)
        changed.num_labels = count
        with torch.device("meta"):
            model = loader.from_config(changed, trust_remote_code=trust_remote_code)
        shapes.append({name: weight.shape for name, weight in model.named_parameters()})
    return [name for name, shape in shapes[0].items() if shape[:1] == (2,) and shapes[1][name][:1] == (3,)]
