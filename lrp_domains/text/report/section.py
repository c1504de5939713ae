"""One corpus of the report, from its folder of results."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from ...domain.page import drawing
from ...domain.results.chance import near_chance
from ...domain.results.examples import choose_examples
from ..corpora.ranked import rank_words
from ..corpora.tables import count_noted, read_numbers
from ..errors import TextError
from ..results.figures import class_words_figure
from ..results.html import page
from ..results.tables import LARGE_RESIDUE
from .examples import read_examples

LEDGER = {
    "score": "score: what was explained",
    "words": "words of the texts",
    "added": "tokens that the tokenizer added, such as [CLS]",
    "rest": "rest: biases, positions, residue",
}


def section(folder: str | Path, top: int, examples: int) -> dict:
    """Return what the page shows of a corpus, whose folder contains ``words.parquet`` and ``texts.parquet``."""
    folder = Path(folder)
    if not (folder / "texts.parquet").is_file():
        raise TextError(
            f"'{folder}' is not a folder of results: it has no texts.parquet; 'lrp-domains text explain' writes one"
        )
    paths = {of: folder / f"{of}.parquet" for of in ("words", "texts")}
    texts = read_numbers(paths["texts"])
    skipped = int(texts["error"].notna().sum())
    texts = texts[texts["error"].isna()]
    table = rank_words(**paths, top=top)
    cautions = _cautions(texts)

    return {
        "name": folder.resolve().name,
        "overview": _overview(texts, skipped),
        "warnings": [*cautions, *_not_conserved(paths["texts"])],
        "reference": _reference(texts),
        "confusion": _confusion(texts),
        "examples": {
            kind: page(read_examples(numbers, **paths), whole=False) if numbers else ""
            for kind, numbers in choose_examples(texts, examples, "text").items()
        },
        "figure": None if table.empty else drawing(class_words_figure(table, min(top, 12))),
        "classes": {name: rows.to_dict("records") for name, rows in table.groupby("class", sort=False)},
        "ledger": _ledger(texts),
        "comparison": _comparison(folder / "comparison", cautions),
    }


def _comparison(folder: Path, cautions: tuple[str, ...]) -> dict | None:
    """Return what the page shows of methods that were compared on the corpus; None if none were."""
    if not folder.is_dir():
        return None
    from ...evaluation.page import read_comparison
    from ...evaluation.section import FAITHFULNESS
    from ...evaluation.section import section as methods

    comparison = read_comparison(folder)
    return None if comparison is None else methods(replace(comparison, cautions=cautions), FAITHFULNESS)


def _cautions(texts: pd.DataFrame) -> tuple[str, ...]:
    """Return a warning if the labels that are known are predicted no better than by chance."""
    labelled = texts[texts["label"].notna() & texts["probability"].notna()]
    return near_chance(labelled["label"].tolist(), labelled["prediction"].tolist())


def _not_conserved(texts: Path) -> list[str]:
    """Return a warning if texts have notes about a residue."""
    count = count_noted(texts, LARGE_RESIDUE)
    return [f"Not conserved: of {count:,} texts, words and biases leave more than 1 % of the score."] if count else []


def _overview(texts: pd.DataFrame, skipped: int) -> list[tuple[str, str]]:
    """Return numbers and what they are."""
    rows = [(f"{len(texts):,}", "texts")]
    if skipped:
        rows.append((f"{skipped:,}", "texts that could not be explained, which were skipped"))
    labelled = texts[texts["label"].notna()]
    if len(labelled):
        accuracy = (labelled["label"] == labelled["prediction"]).mean()
        rows.append((f"{accuracy:.1%}", "predicted as labelled"))
    if "fp32_distance" in texts and texts["fp32_distance"].notna().any():
        far, precision = texts["fp32_distance"].dropna(), texts["precision"].iloc[0]
        rows.append(
            (f"{far.mean():.2%}", f"mean distance of relevance in {precision} from fp32, over {len(far)} texts")
        )
    if texts["probability"].notna().any():
        rows.append((f"{texts['probability'].median():.1%}", "median probability of the prediction"))
    return rows


def _reference(texts: pd.DataFrame) -> str | None:
    """Return what the texts were explained against, if it is the same for all that have a reference."""
    names = texts["reference"].unique() if "reference" in texts else ()
    return None if len(names) == 0 else names[0] if len(names) == 1 else "a reference of each text"


def _confusion(texts: pd.DataFrame) -> pd.DataFrame | None:
    labelled = texts[texts["label"].notna()]
    return pd.crosstab(labelled["label"], labelled["prediction"]) if len(labelled) else None


def _ledger(texts: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Return the parts of the score: their means over texts, and the means of their absolute values."""
    return [(what, texts[name].mean(), texts[name].abs().mean()) for name, what in LEDGER.items()]
