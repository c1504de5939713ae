"""The zoo: tiny, randomly initialised instances of many architectures, without code for any single one.

A configuration of transformers is shrunk field by field (`small_configs.py`), the model is built from it, noise is
added to all its parameters so that none is exactly zero or one, and a batch is made for the arguments that its
`forward` names.

    case = build("llama")
    score, inputs = forward(case)  # a scalar; the tokens' embeddings (or the pixels, or the features)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, partial
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from . import torch_models
from .batches import batch_for
from .known_exceptions import EMBEDDINGS, FLOAT32, GROUPED_MM, LENGTHS, NOT_BUILDABLE
from .small_configs import OVERRIDES, SMALL

# Samples of other tasks, beside all sequence classifiers. They are named "causal/gpt2", "image/vit", ...
SAMPLES = {
    "causal": (
        "AutoModelForCausalLM",
        "bloom falcon gemma gemma3_text gpt2 gpt_neox llama mamba mamba2 mistral mixtral opt phi qwen2 qwen3 "
        "qwen3_moe rwkv",
    ),
    "masked": ("AutoModelForMaskedLM", "albert bert deberta-v2 distilbert electra modernbert roberta"),
    "seq2seq": ("AutoModelForSeq2SeqLM", "bart marian pegasus t5"),
    "image": ("AutoModelForImageClassification", "clip convnext resnet swin vit"),
}
SMOOTH = (nn.GELU, nn.SiLU, nn.Tanh, nn.ELU, nn.Mish, nn.Hardswish)
PLAIN: dict[str, Callable[[], nn.Module]] = {
    "torch/lstm": partial(torch_models.Recurrent, nn.LSTM),
    "torch/gru": partial(torch_models.Recurrent, nn.GRU),
    "torch/rnn": partial(torch_models.Recurrent, nn.RNN),
    "torch/transformer-relu": partial(torch_models.Transformer, "relu", norm_first=False),
    "torch/transformer-gelu": partial(torch_models.Transformer, "gelu", norm_first=False),
    "torch/transformer-relu-norm-first": partial(torch_models.Transformer, "relu", norm_first=True),
    "torch/transformer-gelu-norm-first": partial(torch_models.Transformer, "gelu", norm_first=True),
    "torch/mlp-relu": lambda: torch_models.Perceptron(nn.ReLU(), nn.ReLU()),
    "torch/mlp-smooth": lambda: torch_models.Perceptron(
        nn.GELU(), nn.SiLU(), nn.Tanh(), nn.ELU(), nn.Mish(), nn.Hardswish()
    ),
    "torch/vgg": torch_models.Vgg,
    "torch/resnet18": torch_models.ResNet,
}


@dataclass(frozen=True)
class Architecture:
    """One entry of the zoo; `make` builds its module in float32 from the global random state."""

    name: str
    make: Callable[[], nn.Module]

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.name in FLOAT32 else torch.float64


@dataclass(frozen=True)
class Case:
    """A model in eval mode whose parameters all require grad, and a batch of two rows for it."""

    architecture: Architecture
    model: nn.Module
    batch: dict[str, Tensor]


class Forward(NamedTuple):
    score: Tensor
    inputs: list[Tensor]


def shrink(config: PretrainedConfig, overrides: Mapping[str, Any]) -> PretrainedConfig:
    """Return the same kind of configuration with small sizes, and one layer of each kind it has (at least two)."""
    fields = {field.name: getattr(config, field.name, None) for field in dataclasses.fields(config)}
    small = {name: value for name, value in SMALL.items() if name in fields or name == "num_labels"}
    for name in ("layer_types", "layers_block_type"):
        if fields.get(name):
            kinds = list(dict.fromkeys(fields[name]))
            small |= {name: kinds if len(kinds) > 1 else 2 * kinds, "num_hidden_layers": max(2, len(kinds))}
    parts = {name: value for name, value in fields.items() if isinstance(value, PretrainedConfig)}
    small |= {name: value for name, value in overrides.items() if name not in parts}
    small |= {name: shrink(part, overrides.get(name, {})) for name, part in parts.items()}
    return type(config)(**small)


def from_configuration(auto_model: str, model_type: str, **options: Any) -> nn.Module:
    config = shrink(CONFIG_MAPPING[model_type](), OVERRIDES.get(model_type, {}))
    return getattr(transformers, auto_model).from_config(config, **options)


def sequence_classifiers() -> list[str]:
    """Return every model type that transformers maps to a sequence classifier."""
    return list(MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES)


@cache
def architectures() -> dict[str, Architecture]:
    """Return the whole zoo by name; the name of a sequence classifier is its model type."""
    classifier = partial(from_configuration, "AutoModelForSequenceClassification")
    makers = {name: partial(classifier, name) for name in sequence_classifiers()}
    for name in sequence_classifiers():
        if FLOAT32.get(name) == GROUPED_MM:
            makers[f"experts-by-loop/{name}"] = partial(classifier, name, experts_implementation="eager")
    for task, (auto_model, names) in SAMPLES.items():
        for name in names.split():
            makers[f"{task}/{name}"] = partial(from_configuration, auto_model, name)
    return {name: Architecture(name, make) for name, make in (makers | PLAIN).items()}


@torch.no_grad()
def perturb(model: nn.Module, generator: torch.Generator, spread: float = 0.2) -> None:
    """Add noise to parameters and running statistics, and make every parameter require grad."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=spread)
            parameter.requires_grad_(True)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.add_(torch.rand(buffer.shape, generator=generator), alpha=spread)


def build(name: str, dtype: torch.dtype | None = None, *, padded: bool = False, seed: int = 0) -> Case:
    """Return an architecture ready to run, in float64 if possible; if `padded`, the second row is shorter."""
    architecture = architectures()[name]
    if name in NOT_BUILDABLE:
        raise NotImplementedError(f"{name} cannot be built: {NOT_BUILDABLE[name]}")
    dtype = dtype or architecture.dtype

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = architecture.make()
    perturb(model, torch.Generator().manual_seed(seed))
    model.eval().to(dtype)

    seq2seq = name.startswith("seq2seq/")
    batch = batch_for(model, dtype, length=LENGTHS.get(name, 9), padded=padded, seed=seed, decoder=seq2seq)
    return Case(architecture, model, batch)


def embedding_modules(case: Case) -> list[nn.Module]:
    """Return the modules that turn tokens into embeddings: the model's input embeddings, and those that share their
    weight."""
    if pattern := EMBEDDINGS.get(case.architecture.name):
        return [module for name, module in case.model.named_modules() if fnmatch(name, pattern)]
    embeddings = case.model.get_input_embeddings()
    sharing = [m for m in case.model.modules() if isinstance(m, nn.Embedding) and m.weight is embeddings.weight]
    return sharing or [embeddings]


def forward(case: Case, *, by_row: bool = False) -> Forward:
    """Run a forward pass from token ids, pixels or features; return the score of class 1 and the tensors to explain.

    The score is summed over the batch, or one per row; of a sequence of outputs the one at the last real token is used.
    """
    inputs = [value for value in case.batch.values() if value.requires_grad]
    embeddings: list[Tensor] = []

    def keep(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        embeddings.append(output[0] if isinstance(output, tuple) else output)

    hooks = [] if inputs else [module.register_forward_hook(keep) for module in embedding_modules(case)]
    try:
        output = case.model(**case.batch)
    finally:
        for hook in hooks:
            hook.remove()

    logits = output if isinstance(output, Tensor) else output.logits
    if logits.ndim == 3:
        mask = case.batch.get("attention_mask")
        causal = mask is not None and mask.shape[1] == logits.shape[1]
        last = mask.sum(dim=1) - 1 if causal else torch.full((2,), logits.shape[1] - 1)
        logits = logits[torch.arange(2), last]
    return Forward(logits[:, 1] if by_row else logits[:, 1].sum(), inputs or embeddings)


def changed(case: Case) -> dict[str, Tensor]:
    """Return the tensors of a batch that an explanation against a reference changes, as they are in the reference.

    Other tokens between the first and the last, which may be special; other pixels or features.
    """
    generator = torch.Generator().manual_seed(1)
    references = {}
    for name, value in case.batch.items():
        if value.requires_grad:
            references[name] = value.detach() + torch.randn(value.shape, generator=generator, dtype=value.dtype)
        elif name in ("input_ids", "decoder_input_ids") and not any(v.requires_grad for v in case.batch.values()):
            inner = value[:, 1:-1].roll(2, 1).flip(0)
            references[name] = torch.cat([value[:, :1], inner, value[:, -1:]], 1)
    return references
