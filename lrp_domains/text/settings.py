"""Settings: how to explain, the same for all texts, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .. import ATTN_LRP, SECANT, RuleSet
from ..domain import check_score
from .arguments import checked_reference
from .errors import TextError, choices
from .tokens.segmentation import SEGMENTATIONS, Segmentation

LONG = {"windows": "read in windows", "truncate": "cut, with a warning", "error": "refused"}
UNKNOWN = ("error", "gradient")


@dataclass(frozen=True)
class Settings:
    """How to explain.

    Attributes
    ----------
    rules
        The rule set. Without a reference one of `lrp_domains.relevance`: `CP_LRP` where sums matter, `ATTN_LRP` (None)
        where the order matters. Against a reference one that reads it: `SECANT` (None) or `SECANT_HALF`.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``; see `lrp_domains.domain.score_of`. A contrast of two labels
        or single tokens is the difference of their logits, of two phrases or answers that of their scores.
    words
        How to split a text into words; see `segment`.
    batch_size
        How many rows (texts, or windows of long ones) go through the model at once.
    long
        What happens to a text that is too long for the model: ``"windows"`` (each is explained, the text's score is
        the mean of theirs), ``"truncate"`` (cut, with a warning that reports what was lost), or ``"error"``. None:
        windows for classifiers, an error for other models.
    window, stride
        The tokens per window, added ones included (None: as many as the model reads), and how many of them
        neighbouring windows share.
    padding
        ``"right"``, ``"left"``, or None: the side that doesn't change relevance is determined by trial, once.
    unknown
        ``"error"`` or ``"gradient"``; see `lrp_domains.relevance`.
    spaced
        Whether a phrase that continues a text, or a word at a mask, follows after a space. None: where the two would
        run together as words. False: it follows literally. True: unless there is whitespace.
    add_special_tokens
        Whether the tokenizer adds its special tokens ([CLS], <s>, ...). None: unless a text already begins with them,
        as chat templates write it.
    reference
        What each text is explained against, unless a call names another reference; None for the score itself. See
        `TextExplainer.__call__`.
    """

    rules: RuleSet | None = None
    score: str = "log-odds"
    words: Segmentation = "words"
    batch_size: int = 16
    long: str | None = None
    window: int | None = None
    stride: int = 0
    padding: str | None = None
    unknown: str = "error"
    spaced: bool | None = None
    add_special_tokens: bool | None = None
    reference: Any = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Settings":
        """Return settings by name; raise if a name is unknown."""
        names = [field.name for field in fields(cls)]
        for name in values:
            if name not in names:
                raise TextError(f"unknown setting '{name}'; {choices(name, names)}")
        return cls(**values)

    def __post_init__(self) -> None:
        check_score(self.score)
        if self.rules is not None and not isinstance(self.rules, RuleSet):
            raise TextError(f"rules={self.rules!r} is not a rule set; pass one such as lrp_domains.ATTN_LRP")
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise TextError(f"batch_size={self.batch_size!r}: expected 1 or more")
        if self.long is not None and self.long not in LONG:
            raise TextError(f"long={self.long!r}: expected one of {', '.join(LONG)}")
        if self.window is not None and (not isinstance(self.window, int) or self.window < 1):
            raise TextError(f"window={self.window!r}: expected the number of tokens per window, or None")
        if not isinstance(self.stride, int) or self.stride < 0:
            raise TextError(f"stride={self.stride!r}: expected the number of tokens that neighbouring windows share")
        if not callable(self.words) and self.words not in SEGMENTATIONS:
            raise TextError(
                f"words={self.words!r} is neither a segmentation nor a function; {choices(self.words, SEGMENTATIONS)}"
            )
        if self.unknown not in UNKNOWN:
            raise TextError(f"unknown={self.unknown!r}: expected one of {', '.join(UNKNOWN)}")
        if self.padding not in (None, "right", "left"):
            raise TextError(f"padding={self.padding!r}: expected 'right', 'left', or None to find it by trying")
        for name in ("spaced", "add_special_tokens"):
            if not isinstance(getattr(self, name), bool | None):
                raise TextError(f"{name}={getattr(self, name)!r}: expected True, False or None")
        if checked_reference(self.reference) is not None:
            self.rule_set(against_reference=True)

    @property
    def reads_reference(self) -> bool:
        """Whether texts are explained against a reference, by the settings alone."""
        return self.reference is not None or (self.rules is not None and self.rules.reads_reference)

    def rule_set(self, *, against_reference: bool) -> RuleSet:
        """Return the rule set for scores, or for their differences from a reference; raise if the chosen one is not."""
        if self.rules is None:
            return SECANT if against_reference else ATTN_LRP
        if against_reference and not self.rules.reads_reference:
            raise TextError(
                f"rule set {self.rules.name} explains a score, not its difference from a reference: leave rules= out, "
                "or pass SECANT or SECANT_HALF"
            )
        if self.rules.reads_reference and not against_reference:
            raise TextError(
                f"rule set {self.rules.name} explains the difference from a reference: pass reference='mask', 'pad' or "
                "a text, or another rule set"
            )
        return self.rules
