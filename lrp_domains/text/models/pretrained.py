"""Models and tokenizers by name, from a folder or from the hub."""

from pathlib import Path

import torch
from torch import nn

from ..errors import TextError, listed
from ..heads.tasks import TASKS, task_of


def load(
    name_or_path: str, task: str | None, device: str | torch.device, dtype: str | torch.dtype
) -> tuple[nn.Module, object, str]:
    """Give a model in eval mode, its tokenizer, and its task."""
    import transformers

    where = _device(device)
    try:
        config = transformers.AutoConfig.from_pretrained(name_or_path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        what = "the folder holds no model with a tokenizer" if Path(name_or_path).is_dir() else "no such folder, and"
        raise TextError(
            f"'{name_or_path}' could not be loaded: {what} {str(error).splitlines()[0]}; give a folder that "
            "save_pretrained() wrote, model and tokenizer, or a name on the hub"
        ) from error
    if task is None:
        classes = getattr(config, "architectures", None) or []
        if not classes:
            raise TextError(f"'{name_or_path}' doesn't tell its class: pass task=, one of {', '.join(TASKS)}")
        task = task_of(classes[0])
    loader = getattr(transformers, TASKS[task_of("", task)][1])
    try:
        model, report = loader.from_pretrained(name_or_path, config=config, dtype=dtype, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise TextError(f"'{name_or_path}' could not be loaded for {task}: {str(error).splitlines()[0]}") from error
    if report["missing_keys"]:
        raise TextError(
            f"'{name_or_path}' has no weights for {listed(sorted(report['missing_keys']), 3)}, which would be random: "
            f"it was not trained for {task}; use a fine-tuned model"
        )
    return model.to(where).eval(), tokenizer, task


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TextError(f"there is no device '{device}' here: {str(error).splitlines()[0]}; use 'cpu'") from error
    return torch.device(device)
