"""Settings: how to explain, the same for all texts, checked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from .. import ATTN_LRP, SECANT, RuleSet
from ..domain import check_compile, check_precision, check_score, check_whole
from ..evaluation.rivals import Rival
from .arguments import checked_reference
from .errors import TextError, choices, listed
from .tokens.segmentation import SEGMENTATIONS, Segmentation

LONG = {"windows": "read in windows", "truncate": "cut, with a warning", "error": "refused"}
UNKNOWN = ("error", "gradient")
SIDES = ("first", "second")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
AGGREGATIONS = ("average", "first", "max", "simple")  # as transformers' pipeline for token classification names them


@dataclass(frozen=True)
class Settings:
    """How to explain.

    Attributes
    ----------
    rules
        The rule set. Without a reference one of `lrp_domains.relevance`: `CP_LRP` where sums matter, `ATTN_LRP` (None)
        where the order matters. Against a reference one that reads it: `SECANT` (None) or `SECANT_HALF`. Or one of
        `lrp_domains.evaluation.rivals`, to compare with; it needs no reference, and takes zeros where there is none.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``; see `lrp_domains.domain.score_of`. A contrast of two labels
        or single tokens is the difference of their logits, of two phrases or answers that of their scores.
    words
        How to split a text into words; see `segment`.
    batch_size
        How many rows (texts, or windows of long ones) go through the model at once. None: 16; on a CUDA device as many
        as fit into its free memory, up to 64. Where memory runs out, half as many.
    precision
        What a model of transformers computes in: ``"fp32"``, ``"bf16"`` or ``"fp16"``. None: in the precision of its
        weights. In half precision, the texts of the first batch have the distance to single precision
        (`TextRelevance.fp32_distance`).
    compile
        Whether to compile explanations: True or ``"eager"`` (takes a second per size of a batch), ``"inductor"`` (up to
        a minute), or ``"cudagraphs"``; see `lrp_domains.compile`. For sequence classification, text generation and
        masked words, without a reference. Texts are padded to one of a few lengths. Results are the same, to rounding.
    long
        What happens to a text that is too long for the model: ``"windows"`` (each is explained, the text's score is
        the mean of theirs), ``"truncate"`` (cut, with a warning that reports what was lost), or ``"error"``. None:
        windows for classifiers, an error for other models.
    window, stride
        The tokens per window, added ones included (None: as many as the model reads), and how many of them
        neighbouring windows share (None: none; for question answering a third of them, at most 128).
    long_text
        Which text of a pair is cut or read in windows, ``"first"`` or ``"second"``. None: the longer one; the context
        of a question, the text of zero-shot classification, the prompt of a multiple choice.
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
    problem_type
        For classifiers: ``"single_label_classification"`` (a softmax chooses one label),
        ``"multi_label_classification"`` (each label separately) or ``"regression"``. None: as the model's
        configuration says.
    aggregation
        For token classification, how the label of a word follows from its tokens: from their mean probabilities
        (``"average"``, None), its first token (``"first"``), its surest token (``"max"``), or each token by itself
        (``"simple"``), as in transformers' pipeline.
    candidates
        For zero-shot classification, the labels to choose from.
    template
        For zero-shot classification, the hypothesis, with ``{}`` in the place of a candidate; None for
        ``"This example is {}."``.
    multi_label
        For zero-shot classification, whether several candidates may be true: each is then entailed or contradicted by
        itself.
    no_answer
        For question answering, whether the model may predict that the context has no answer, as models trained on
        SQuAD 2 can.
    """

    rules: RuleSet | Rival | None = None
    score: str = "log-odds"
    words: Segmentation = "words"
    batch_size: int | None = None
    precision: str | None = None
    compile: bool | str = False
    long: str | None = None
    window: int | None = None
    stride: int | None = None
    long_text: str | None = None
    padding: str | None = None
    unknown: str = "error"
    spaced: bool | None = None
    add_special_tokens: bool | None = None
    reference: Any = None
    problem_type: str | None = None
    aggregation: str | None = None
    candidates: Sequence[str] | None = None
    template: str | None = None
    multi_label: bool = False
    no_answer: bool = False

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
        _check_options_of_heads(self)
        if self.rules is not None and not isinstance(self.rules, RuleSet | Rival):
            raise TextError(f"rules={self.rules!r} is not a rule set; pass one such as lrp_domains.ATTN_LRP")
        check_precision(self.precision)
        check_compile(self.compile)
        if self.compile and self.rival is not None:
            raise TextError(f"compile={self.compile!r} is for rule sets, and {self.rival.name} is none: leave it out")
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, 1)
        if self.long is not None and self.long not in LONG:
            raise TextError(f"long={self.long!r}: expected one of {', '.join(LONG)}")
        if self.window is not None and (not isinstance(self.window, int) or self.window < 1):
            raise TextError(f"window={self.window!r}: expected the number of tokens per window, or None")
        if self.stride is not None and (not isinstance(self.stride, int) or self.stride < 0):
            raise TextError(f"stride={self.stride!r}: expected the number of tokens that neighbouring windows share")
        if self.long_text is not None and self.long_text not in SIDES:
            raise TextError(f"long_text={self.long_text!r}: expected 'first', 'second', or None for the longer text")
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
    def half_precision(self) -> str | None:
        """The precision, if it is not single."""
        return None if self.precision == "fp32" else self.precision

    @property
    def reads_reference(self) -> bool:
        """Whether texts are explained against a reference, by the settings alone."""
        return self.reference is not None or (self.rules is not None and self.rules.reads_reference)

    @property
    def rival(self) -> Rival | None:
        """What explains in the place of a rule set, if anything does."""
        return self.rules if isinstance(self.rules, Rival) else None

    def rule_set(self, *, against_reference: bool) -> RuleSet | Rival:
        """Return the rule set for scores, or for their differences from a reference; raise if the chosen one is not."""
        if self.rules is None:
            return SECANT if against_reference else ATTN_LRP
        if self.rival is not None:
            return self.rival
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


def _check_options_of_heads(settings: Settings) -> None:
    """Raise if an option of a head has a value that it can't have."""
    if settings.problem_type is not None and settings.problem_type not in PROBLEM_TYPES:
        raise TextError(f"problem_type={settings.problem_type!r}: expected one of {', '.join(PROBLEM_TYPES)}")
    if settings.aggregation is not None and settings.aggregation not in AGGREGATIONS:
        raise TextError(f"aggregation={settings.aggregation!r}: expected one of {', '.join(AGGREGATIONS)}")
    for name in ("multi_label", "no_answer"):
        if not isinstance(getattr(settings, name), bool):
            raise TextError(f"{name}={getattr(settings, name)!r}: expected True or False")
    if settings.candidates is not None:
        _check_candidates(settings.candidates)
    if settings.template is not None:
        _check_template(settings.template)


def _check_candidates(names: Sequence[str]) -> None:
    if isinstance(names, str) or not len(names) or not all(isinstance(name, str) and name for name in names):
        raise TextError(f"candidates={names!r}: expected a list of labels, such as ['sports', 'politics']")
    if len(set(names)) < len(names):
        raise TextError(f"candidates= contains a label twice: {listed(names)}")


def _check_template(template: str) -> None:
    try:
        is_valid = template.format("a candidate") != template
    except (AttributeError, IndexError, KeyError, ValueError):
        is_valid = False
    if not is_valid:
        raise TextError(f"template={template!r}: expected a sentence with {{}} in the place of the candidate")
