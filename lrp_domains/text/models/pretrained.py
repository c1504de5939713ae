"""Models and tokenizers by name, from a folder or from the hub."""

from pathlib import Path

import torch
from torch import nn

from ...domain import device_of, reason
from ..errors import TextError, listed
from ..heads.tasks import TASKS, check_task, task_of
from .quiet import quiet_library


@quiet_library()
def load(
    name_or_path: str, *, task: str | None, device: str | torch.device | None, dtype: str | torch.dtype | None
) -> tuple[nn.Module, object, str]:
    """Load a model in eval mode and its tokenizer; return them with the model's task.

    Parameters
    ----------
    name_or_path, task, device, dtype
        As in `TextExplainer.from_pretrained`.
    """
    import transformers

    device = device_of(device)
    try:
        config = transformers.AutoConfig.from_pretrained(name_or_path)
        tokenizer = transformers.AutoTokenizer.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        where = "the folder has no model with a tokenizer" if Path(name_or_path).is_dir() else "it is not a folder"
        raise TextError(
            f"'{name_or_path}' could not be loaded, {where}: {reason(error)}; pass a folder that save_pretrained() "
            "wrote, model and tokenizer, or a name on the hub"
        ) from error

    task = _task(config, name_or_path) if task is None else check_task(task)
    loader = getattr(transformers, TASKS[task].loader)
    options = {"config": config, "dtype": "auto" if dtype is None else dtype, "output_loading_info": True}
    try:
        model, report = loader.from_pretrained(name_or_path, **options)
    except (OSError, ValueError) as error:
        raise TextError(f"'{name_or_path}' could not be loaded for {task}: {reason(error)}") from error
    if report["missing_keys"]:
        raise TextError(
            f"'{name_or_path}' has no weights for {listed(sorted(report['missing_keys']), 3)}, which would be random: "
            f"it was not trained for {task}; use a fine-tuned model"
        )
    return model.to(device).eval(), tokenizer, task


def _task(config, name_or_path: str) -> str:
    classes = getattr(config, "architectures", None) or []
    if not classes:
        raise TextError(f"'{name_or_path}' doesn't name its class: pass task=, one of {', '.join(TASKS)}")
    return task_of(classes[0])
