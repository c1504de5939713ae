"""Code of users that explanations call: models, scores, references."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ... import LrpError
from ..messages import DomainError, reason


@contextmanager
def calling(what: str, remedy: str = "") -> Iterator[None]:
    """Use around a call of a user's code: its errors become a `DomainError` that says `what` failed.

    Errors of this package and memory that runs out are raised as they are.
    """
    try:
        yield
    except (LrpError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the user's code raises
        why = f"{what}: {type(error).__name__}, {reason(error)}"
        raise DomainError(f"{why}; {remedy}" if remedy else why) from error
