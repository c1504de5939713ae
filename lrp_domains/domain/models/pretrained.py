"""Models of transformers, from a folder or from the hub: loaded whole, or refused with one message."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..hardware.device import device_of
from ..messages import DomainError, listed, reason
from .code_refused import code_refused
from .quiet import quiet_library
from .source import Source

# The options of from_pretrained that say where files are: the configuration and the weights are found by them.
_WHERE = ("subfolder", "token", "cache_dir", "local_files_only")


def pretrained(
    auto_class: str,
    name: str | Path,
    *,
    purpose: str | None = None,
    may_lack: Collection[str] = (),
    device: str | torch.device | None = None,
    allow_code: bool = False,
    revision: str | None = None,
    **options: Any,
) -> nn.Module:
    """Load a model of transformers in eval mode, from a folder that ``save_pretrained()`` wrote or from the hub.

    Parameters
    ----------
    auto_class
        The class that loads it, such as ``"AutoModelForImageClassification"``.
    name
        The folder, or the name on the hub.
    purpose
        What the model is loaded for, in messages: ``"image classification"``. None: the name of the class.
    may_lack
        Parts of the names of weights that may be missing, because they aren't used, such as ``"pooler"``.
    device
        None: a GPU if there is one.
    allow_code
        Whether code that comes with the model may be run; nobody is asked.
    revision
        The branch, tag or commit on the hub.
    options
        Further options of ``from_pretrained``: ``dtype`` (default: that of the stored weights),
        ``attn_implementation``, ``subfolder``, ``token``, ...

    Raises
    ------
    DomainError
        There is no such model, it can't be downloaded, it comes with code that isn't allowed or with a pickle of more
        than tensors, or weights are missing or of another size, so that they would be random.
    """
    source = _source(name, allow_code, revision, options)
    if device is not None and "device_map" in options:
        raise DomainError("device= and device_map= both say where the model is: pass one of them")
    device = None if "device_map" in options else device_of(device)
    with quiet_library():
        with readable(source, "model"):
            config = source.config()
        return load_weights(
            source,
            auto_class,
            config,
            purpose=purpose or auto_class,
            device=device,
            options=options,
            required=lambda weight: not any(part in weight for part in may_lack),
        )


def preprocessing(
    auto_class: str, name: str | Path, *, allow_code: bool = False, revision: str | None = None, **options: Any
) -> Any:
    """Load what a model of transformers reads its inputs with: ``"AutoTokenizer"``, ``"AutoImageProcessor"``.

    Parameters
    ----------
    auto_class
        The class that loads it.
    name, allow_code, revision, options
        As in `pretrained`.

    Raises
    ------
    DomainError
        There is none, it can't be downloaded, or it comes with code that isn't allowed.
    """
    source = _source(name, allow_code, revision, options)
    with quiet_library(), readable(source, _in_words(auto_class)):
        return source.read(auto_class, **options)


def load_weights(
    source: Source,
    loader: str,
    config: Any,
    *,
    purpose: str,
    device: torch.device | None,
    options: Mapping[str, Any],
    required: Callable[[str], bool] = lambda weight: True,
    asked: str | None = None,
) -> nn.Module:
    """Load a model with its weights in eval mode; raise if some that it requires would be random.

    Parameters
    ----------
    source
        Where it is.
    loader
        The class of transformers that loads it.
    config
        Its configuration.
    purpose
        What it is loaded for, in messages.
    device
        Where it goes; None where `options` say it.
    options
        Further options of ``from_pretrained``.
    required
        Whether a weight has to be there, by its name.
    asked
        The name of what the user asked for, if that is not the source: an adapter of PEFT.
    """
    import transformers
    from safetensors import SafetensorError

    is_quantised = "quantization_config" in options or getattr(config, "quantization_config", None) is not None
    if is_quantised and device is not None:  # quantised weights are made on their device
        options, device = {**options, "device_map": {"": device}}, None
    options = {**options, **source.options, "trust_remote_code": source.trust_remote_code}
    # Weights of another size are reported below, by name.
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    try:
        with code_refused(source.name, source.consent):
            model, report = getattr(transformers, loader).from_pretrained(source.name, config=config, **options)
    except DomainError:
        raise
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, SafetensorError) as error:
        raise DomainError(f"'{source.name}' could not be loaded for {purpose}: {reason(error)}") from error

    _check_weights(asked or source.name, report, purpose, required)
    return (model if device is None else model.to(device)).eval()


def _check_weights(name: str, report: Mapping[str, Any], purpose: str, required: Callable[[str], bool]) -> None:
    """Raise if weights that are required would be random."""
    if missing := sorted(filter(required, report["missing_keys"])):
        raise DomainError(
            f"'{name}' has no weights for {listed(missing, 3)}, which would be random: it was not trained for "
            f"{purpose}; use a fine-tuned model"
        )
    sizes = {key: (tuple(saved), tuple(asked)) for key, saved, asked in report["mismatched_keys"] if required(key)}
    if sizes:
        key, (saved, asked) = min(sizes.items())
        raise DomainError(
            f"'{name}' has weights of another size than its configuration says, for {listed(sorted(sizes), 3)}: "
            f"'{key}' is {saved}, not {asked}; correct config.json, such as its number of labels"
        )


@contextmanager
def readable(source: Source, what: str) -> Iterator[None]:
    """Use around the reading of files without weights: raise in one line if the source has no such files."""
    try:
        yield
    except DomainError:
        raise
    except ImportError as error:
        raise DomainError(f"'{source.name}' could not be loaded: {reason(error)}") from error
    except (OSError, ValueError) as error:
        where = f"the folder has no {what}" if source.is_folder else "it is not a folder"
        raise DomainError(
            f"'{source.name}' could not be loaded, {where}: {reason(error)}; pass a folder that save_pretrained() "
            "wrote, or a name on the hub"
        ) from error


def _source(name: str | Path, allow_code: bool, revision: str | None, options: dict[str, Any]) -> Source:
    """Return where a model is, taking the options that say so; raise if transformers is missing."""
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise DomainError(f"'{name}' requires transformers, which is missing: pip install transformers") from error
    where = {key: options.pop(key, None) for key in _WHERE}
    return Source.of(name, allow_code, consent="allow_code=True", revision=revision, **where)


def _in_words(auto_class: str) -> str:
    """Return what a class reads, in words: 'image processor' for AutoImageProcessor."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", auto_class.removeprefix("Auto")).lower()
