"""How to explain, checked once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

from .. import ATTN_LRP, RuleSet
from .errors import TextError, choices
from .heads.scores import check_score
from .tokens.segmentation import Segmentation

Progress = Callable[[Iterable, str], Iterable]
LONG = {"windows": "read in windows", "truncate": "cut, with a warning", "error": "refused"}


def quietly(items: Iterable, description: str) -> Iterable:
    """Show no progress."""
    return items


@dataclass(frozen=True)
class Settings:
    """What doesn't differ from text to text.

    Attributes
    ----------
    rules
        The rule set of `lrp_domains.relevance`. `CP_LRP` where sums matter, `ATTN_LRP` where the order does.
    score
        ``"log-odds"`` or ``"logit"``; see `score_of`. A contrast of two labels is always that of their logits.
    words
        How to cut a text into words; see `segment`.
    batch_size
        How many rows (texts, or windows of long ones) go through the model at once.
    long
        What becomes of a text that is too long for the model: ``"windows"`` (each is explained, the text's score is
        the mean of theirs; the default for classifiers), ``"truncate"`` (cut, with a warning that says what), or
        ``"error"`` (the default elsewhere).
    window, stride
        The tokens of a window, added ones included (None: as many as the model reads); and how many neighbouring
        windows share.
    padding
        ``"right"``, ``"left"``, or None: the side is found by trying, once, which leaves the outputs alone.
    unknown
        ``"error"`` or ``"gradient"``; see `lrp_domains.relevance`.
    """

    rules: RuleSet = ATTN_LRP
    score: str = "log-odds"
    words: Segmentation = "words"
    batch_size: int = 16
    long: str | None = None
    window: int | None = None
    stride: int = 0
    padding: str | None = None
    unknown: str = "error"

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Settings":
        """Read settings by name."""
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise TextError(f"there is no setting '{name}'; {choices(name, known)}")
        return cls(**given)

    def __post_init__(self) -> None:
        check_score(self.score)
        if not isinstance(self.rules, RuleSet):
            raise TextError(f"rules={self.rules!r} is no rule set; pass one such as lrp_domains.ATTN_LRP")
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise TextError(f"batch_size={self.batch_size!r}: it must be 1 or more")
        if self.long is not None and self.long not in LONG:
            raise TextError(f"long={self.long!r}: what to do with long texts is one of {', '.join(LONG)}")
        if self.window is not None and (not isinstance(self.window, int) or self.window < 1):
            raise TextError(f"window={self.window!r}: give the number of tokens of a window, or None")
        if not isinstance(self.stride, int) or self.stride < 0:
            raise TextError(f"stride={self.stride!r}: give the number of tokens that neighbouring windows share")
        if self.padding not in (None, "right", "left"):
            raise TextError(f"padding={self.padding!r}: it is 'right', 'left', or None, which finds out by trying")
