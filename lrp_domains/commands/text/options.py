"""The options of the text commands, each described once. Their defaults are the library's."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..choices import CompileOption, RulesOption, ScoreOption
from ..device import Device
from ..model import Revision

Long = Literal["windows", "truncate", "error"]
LongText = Literal["first", "second"]
ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
Aggregation = Literal["average", "first", "max", "simple"]
OnError = Literal["raise", "skip"]
Words = Literal["words", "characters"]
Dtype = Literal["float32", "float16", "bfloat16"]
Precision = Literal["fp32", "bf16", "fp16"]
Side = Literal["right", "left"]
Unknown = Literal["error", "gradient"]
_FILES = ".csv, .tsv, .jsonl, .txt (also compressed, .gz) or .parquet"
Corpus = Annotated[str, typer.Argument(help=f"A file, {_FILES}; or demo for the demo corpus.")]
File = Annotated[str | None, typer.Option(help=f"Explain a whole file: {_FILES}; or demo for the demo corpus.")]
Html = Annotated[Path | None, typer.Option(help="Also write the coloured texts to this .html file.")]
_MODEL = "A folder that save_pretrained() wrote, or a name on the hub; 'text train-demo' trains one."

MODEL = {
    "model": Annotated[str | None, typer.Option(help=_MODEL)],
    "task": Annotated[str | None, typer.Option(help="What the model is for (default: the task in its configuration).")],
    "device": Device,
    "embedding": Annotated[
        str | None,
        typer.Option(
            help="Where relevance is read: word, sum (with position and type embeddings), or a pattern of module names "
            "(default word)."
        ),
    ],
    "pooling": Annotated[
        str | None,
        typer.Option(
            help="How a text's vector is pooled, for similarity: mean, first, last, max, mean-sqrt-length or "
            "weighted-mean (default: as a model of sentence-transformers does, else mean)."
        ),
    ],
    "dtype": Annotated[Dtype | None, typer.Option(help="Precision of the weights (default: as they are stored).")],
    "revision": Revision,
    "trust_remote_code": Annotated[
        bool | None,
        typer.Option(
            "--allow-code",
            "--trust-remote-code",
            help="Run the code that a model comes with, which can do whatever you can.",
        ),
    ],
    "attn_implementation": Annotated[
        str | None, typer.Option(help="How transformers computes attention: eager, sdpa, ... (default: its choice).")
    ],
}
COLUMNS = {
    "text_column": Annotated[str | None, typer.Option(help="The column with the texts (default text).")],
    "second_column": Annotated[
        str | None, typer.Option(help="The column with the second text of each pair (default: single texts).")
    ],
    "label_column": Annotated[
        str | None,
        typer.Option(help="The column with the labels, to report which predictions are right (default: none)."),
    ],
    "reference_column": Annotated[
        str | None,
        typer.Option(help="The column with the reference of each text, in place of --reference (default: none)."),
    ],
    "on_error": Annotated[
        OnError | None,
        typer.Option(
            help="What happens to a text of the file that can't be explained: raise an error, or skip it and report it "
            "in the table of texts (default raise)."
        ),
    ],
}
REQUEST = {
    "target": Annotated[
        str | None,
        typer.Option(
            help="What to explain: a label, choice or candidate by name or number, or all of them; a type of entity, "
            "or all entities; a token, phrase or answer of a language model; start, end or 'no answer' (default: the "
            "prediction)."
        ),
    ],
    "against": Annotated[
        str | None,
        typer.Option(
            help="What to contrast the target with, written like it: the difference of the two logits is explained "
            "(default: none)."
        ),
    ],
    "reference": Annotated[
        str | None,
        typer.Option(
            help="Explain the difference from a reference: mask or pad (each word replaced by that token), or a text "
            "of as many tokens (default: none, the score itself)."
        ),
    ],
}
SINGLE = {
    "second": Annotated[
        list[str] | None,
        typer.Option(help="The second text of each pair, or one for all: the context of a question, a hypothesis, ..."),
    ],
    "choice": Annotated[
        list[str] | None,
        typer.Option(help="One of the choices of a multiple choice; give it once for each, in order."),
    ],
    "at": Annotated[
        str | None,
        typer.Option(
            help="The place that is explained, where a model predicts something per token: words that occur once, the "
            "number of a character, or start:end."
        ),
    ],
    "continuation": Annotated[
        str | None, typer.Option(help="Explain each token of this continuation by all tokens before it.")
    ],
    "generate": Annotated[
        int | None, typer.Option(min=1, help="Explain what the model generates, up to this number of tokens.")
    ],
}
SETTINGS = {
    "score": ScoreOption,
    "rules": RulesOption,
    "long": Annotated[
        Long | None,
        typer.Option(
            help="What happens to texts that are too long for the model (default: windows for classifiers, else an "
            "error)."
        ),
    ],
    "window": Annotated[
        int | None, typer.Option(min=1, help="Tokens per window of a long text (default: as many as the model reads).")
    ],
    "stride": Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Tokens that neighbouring windows share (default 0; for question answering a third of them, at most "
            "128).",
        ),
    ],
    "long_text": Annotated[
        LongText | None,
        typer.Option(help="Which text of a pair is cut or read in windows: first or second (default: the longer one)."),
    ],
    "words": Annotated[
        Words | None,
        typer.Option(help="characters: one word per character in scripts without spaces (default words)."),
    ],
    "padding": Annotated[
        Side | None,
        typer.Option(help="Side of padding (default: the one that doesn't change relevance, found by trial)."),
    ],
    "unknown": Annotated[
        Unknown | None,
        typer.Option(help="At an operation without a rule: error, or gradient, its derivative (default error)."),
    ],
    "spaced": Annotated[
        bool | None,
        typer.Option(
            "--spaced/--no-spaced",
            help="Whether a phrase that continues a text, or a word at a mask, follows after a space (default: where "
            "the two would run together as words).",
        ),
    ],
    "add_special_tokens": Annotated[
        bool | None,
        typer.Option(
            "--add-special-tokens/--no-add-special-tokens",
            help="Whether the tokenizer adds its special tokens (default: unless a text already begins with them).",
        ),
    ],
    "problem_type": Annotated[
        ProblemType | None,
        typer.Option(help="What the outputs of a classifier are (default: as its configuration says)."),
    ],
    "aggregation": Annotated[
        Aggregation | None,
        typer.Option(help="How a tagger's label of a word follows from those of its tokens (default average)."),
    ],
    "candidates": Annotated[
        list[str] | None,
        typer.Option(
            "--candidate",
            help="A label to choose from, for --task zero-shot-classification; give it once for each.",
        ),
    ],
    "template": Annotated[
        str | None,
        typer.Option(
            help="The hypothesis of zero-shot classification, {} in the place of a candidate (default This example is "
            "{}.)."
        ),
    ],
    "multi_label": Annotated[
        bool | None, typer.Option("--multi-label", help="Several candidates of zero-shot classification may be true.")
    ],
    "no_answer": Annotated[
        bool | None, typer.Option("--no-answer", help="A question answerer may predict that there is no answer.")
    ],
    "precision": Annotated[
        Precision | None,
        typer.Option(
            help="What the model computes in; in half precision, the results have the distance to fp32 over the first "
            "batch (default: in the precision of its weights)."
        ),
    ],
    "compile": CompileOption,
    "batch_size": Annotated[
        int | None,
        typer.Option(min=1, help="Texts explained at once (default: 16; on a GPU what fits into its free memory)."),
    ],
}


def check_request(request: dict[str, Any]) -> None:
    """Raise if `against` is given without a target."""
    if "against" in request and "target" not in request:
        raise typer.BadParameter("--against requires a --target to contrast with it")


def place(at: str) -> str | int | tuple[int, int]:
    """Return a place in a text from the command line: the number of a character, a pair of them, or words."""
    if re.fullmatch(r"\d+", at):
        return int(at)
    if pair := re.fullmatch(r"(\d+):(\d+)", at):
        return int(pair[1]), int(pair[2])
    return at
