"""Texts made to fit what a model can read at once."""

import warnings

import numpy as np

from ..errors import TextError, excerpt
from ..settings import Settings
from .encoding import Encoding
from .lengths import cut, windows


def fit(
    encoding: Encoding, longest: int | None, settings: Settings, in_windows: bool, cut_side: str, number: int
) -> tuple[Encoding, list[np.ndarray], tuple[str, ...]]:
    """Cut a text, or read it in windows, if it is too long.

    Parameters
    ----------
    encoding
        The text.
    longest
        The most tokens that the model can read, None if there is no limit.
    settings
        What becomes of a long text.
    in_windows
        Whether its head can be asked window by window.
    cut_side
        Which end is cut off, ``"right"`` or ``"left"``.
    number
        The number of the text, for messages.

    Returns
    -------
    The text, the tokens of each window (one if it fits), and what the user should know.
    """
    if not len(encoding):
        raise TextError(
            f"text {number} ({excerpt(encoding.texts[0])}) gives no token at all, as this tokenizer adds none: leave "
            "empty texts out"
        )
    window = settings.window or longest
    if window is None or len(encoding) <= window:
        return encoding, [np.arange(len(encoding))], ()
    long = settings.long or ("windows" if in_windows else "error")
    try:
        if long == "windows" and in_windows:
            picks = windows(encoding, window, settings.stride)
            return encoding, picks, (f"read in {len(picks)} windows of at most {window} tokens",)
        if long == "truncate":
            encoding, note = cut(encoding, window, cut_side)
            warnings.warn(f"text {number}: {note}", stacklevel=2)
            return encoding, [np.arange(len(encoding))], (note,)
    except TextError as error:
        raise TextError(f"text {number}: {error}") from error
    advice = "long='windows' or long='truncate'" if in_windows else "long='truncate'"
    raise TextError(
        f"text {number} ({excerpt(encoding.texts[-1])}) has {len(encoding)} tokens, but the model reads {window} at "
        f"once: shorten it, or pass {advice}"
    )
