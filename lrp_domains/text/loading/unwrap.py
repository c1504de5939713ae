"""What a user passes as a model: the model inside a pipeline or a wrapper, and its tokenizer."""

from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

from torch import nn

from ...domain.models.code_refused import code_refused
from ..errors import TextError
from ..models.sentence_encoder import SentenceEncoder
from ..models.wrappers import plain_model, unwrapped
from .pipelines import is_pipeline, pipeline_options, pipeline_task
from .sentence_transformers import classifier_of, encoder_of, is_encoder, is_setfit

_FROM_PARTS = (
    "pass its parts, TextExplainer.from_parts(tokenize, embed, forward, labels); see the guide 'Explain your own model'"
)


class Parts(NamedTuple):
    """A model of transformers (or a `SentenceEncoder`), its tokenizer, and its task and options if it has any."""

    model: nn.Module
    tokenizer: Any
    task: str | None
    options: Mapping[str, Any]


def parts_of(model: Any, tokenizer: Any = None, task: str | None = None, *, pooling: str | None = None) -> Parts:
    """Return the model, the tokenizer, the task and the options of what the user passed.

    A pipeline of transformers, a SentenceTransformer and a SetFitModel have their tokenizer with them, and a pipeline
    the options of its head. Wrappers that compute the same, such as `torch.nn.DataParallel` and what `torch.compile`
    returns, are left out.
    """
    if isinstance(model, str | PathLike):
        raise TextError(f"the model is the name {str(model)!r}: call TextExplainer.from_pretrained({str(model)!r})")
    options: Mapping[str, Any] = {}
    if is_pipeline(model):
        task = task or pipeline_task(model)
        options = pipeline_options(model, task)
        model, tokenizer = model.model, tokenizer or model.tokenizer

    model = unwrapped(model)
    if is_setfit(model):
        model, own = classifier_of(model)
        tokenizer, task = tokenizer or own, task or "text-classification"
    elif is_encoder(model):
        model, own = encoder_of(model)
        tokenizer, task = tokenizer or own, task or "sentence-similarity"
        model = model if pooling is None else model.transformer
    elif isinstance(model, SentenceEncoder):
        task = task or "sentence-similarity"

    _check_model(model)
    _refuse_activations(model)
    return Parts(model, _tokenizer_of(model, tokenizer), task, options)


def _check_model(model: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TextError(
            f"{type(model).__name__} is not a model: pass a model of transformers with its tokenizer, a pipeline, a "
            f"SentenceTransformer or a SetFitModel; of any other model {_FROM_PARTS}"
        )
    if getattr(plain_model(model), "config", None) is None or not hasattr(model, "get_input_embeddings"):
        raise TextError(f"{type(model).__name__} is not a model of transformers: {_FROM_PARTS}")


def _tokenizer_of(model: nn.Module, tokenizer: Any) -> Any:
    """Return the tokenizer, loaded if it is given by name, or by the model's name if it is not given."""
    if tokenizer is None or isinstance(tokenizer, str | PathLike):
        from transformers import AutoTokenizer

        name = tokenizer or getattr(plain_model(model), "name_or_path", None)
        if not name:
            raise TextError(f"{type(model).__name__} has no tokenizer: pass it, TextExplainer(model, tokenizer)")
        try:
            with code_refused(str(name)):
                # Where it is not False, transformers asks a terminal's user whether to run the code.
                return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        except TextError as error:
            raise TextError(f"{error}; or pass the tokenizer itself, TextExplainer(model, tokenizer)") from error
        except (OSError, ValueError) as error:
            raise TextError(
                f"no tokenizer could be loaded from '{name}': pass it, TextExplainer(model, tokenizer)"
            ) from error
    inside = getattr(tokenizer, "tokenizer", None)  # of a processor
    tokenizer = tokenizer if inside is None or hasattr(tokenizer, "convert_ids_to_tokens") else inside
    if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise TextError(
            f"{type(tokenizer).__name__} is not a tokenizer of transformers: pass one, such as "
            "transformers.PreTrainedTokenizerFast(tokenizer_object=...) for one of tokenizers; of any other "
            f"{_FROM_PARTS}"
        )
    return tokenizer


def _refuse_activations(model: nn.Module) -> None:
    """Raise if layers of torchao round their inputs: the derivative of rounding is 0, so that relevance is lost."""
    for name, parameter in model.named_parameters():
        kind = type(parameter)
        rounds = kind.__module__.partition(".")[0] == "torchao" and (
            kind.__name__ == "LinearActivationQuantizedTensor"
            or getattr(parameter, "act_quant_kwargs", None) is not None
            or getattr(parameter, "activation_quantization", None) is not None
        )
        if rounds:
            raise TextError(
                f"'{name}' quantises its inputs too, which has no derivative: explain a model whose weights alone are "
                "quantised, such as by torchao's Int8WeightOnlyConfig"
            )
