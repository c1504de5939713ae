"""One corpus of the report, from its folder of results."""

import base64
import io
from pathlib import Path

import pandas as pd

from ..corpora.tables import read_texts, read_words
from ..errors import TextError
from ..results.class_words import class_words
from ..results.figures import class_words_figure
from ..results.html import page
from .examples import chosen, items

LEDGER = {
    "score": "score: what was explained",
    "words": "words of the texts",
    "added": "tokens that the tokenizer added, such as [CLS]",
    "spread": "spread over the other labels",
    "rest": "rest: biases, positions, residue",
}


def section(folder: str | Path, top: int, examples: int) -> dict:
    """Give all that the page shows of a corpus, whose folder holds ``words.parquet`` and ``texts.parquet``."""
    folder = Path(folder)
    if not (folder / "texts.parquet").is_file():
        raise TextError(f"'{folder}' is no folder of results: it has no texts.parquet; 'text explain' writes one")
    words, texts = read_words(folder / "words.parquet"), read_texts(folder / "texts.parquet")
    table = class_words(words, texts, top=top)
    return {
        "name": folder.resolve().name,
        "overview": _overview(texts),
        "confusion": _confusion(texts),
        "examples": {
            kind: page(items(numbers, texts, words), whole=False) if numbers else ""
            for kind, numbers in chosen(texts, examples).items()
        },
        "figure": "" if table.empty else _png(class_words_figure(table, min(top, 12))),
        "classes": {name: rows.to_dict("records") for name, rows in table.groupby("class", sort=False)},
        "ledger": _ledger(texts),
    }


def _overview(texts: pd.DataFrame) -> list[tuple[str, str]]:
    """Give numbers and what they are."""
    found = [(f"{len(texts):,}", "texts")]
    known = texts[texts["label"].notna()]
    if len(known):
        right = (known["label"] == known["prediction"]).mean()
        found.append((f"{right:.1%}", "predicted as labelled"))
    if texts["probability"].notna().any():
        found.append((f"{texts['probability'].median():.1%}", "median probability of the prediction"))
    return found


def _confusion(texts: pd.DataFrame) -> pd.DataFrame | None:
    known = texts[texts["label"].notna()]
    return pd.crosstab(known["label"], known["prediction"]) if len(known) else None


def _ledger(texts: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Give where the score went: mean over texts, and mean amount whatever the sign."""
    return [(what, texts[name].mean(), texts[name].abs().mean()) for name, what in LEDGER.items()]


def _png(figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
