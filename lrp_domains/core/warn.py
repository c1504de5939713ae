"""Warnings that show the user's line, however deep in this package their cause is."""

import sys
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parents[1])


class LrpWarning(UserWarning):
    """What users of this package should know of an explanation, or of what they passed."""


def warn(message: str) -> None:
    """Warn of something at the line that called this package."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, LrpWarning, stacklevel=level)
