"""Do the most relevant words of a review carry sentiment? ``python -m benchmarks.text_lexicon [FOLDER]``.

FOLDER holds a sentiment model (``minilm_sst2``, a BERT fine-tuned on SST-2), sentences (``uci_sentences``, Kotzias et
al. 2015) and opinion words (``lexicons``, Hu & Liu 2004); by default ``../shared/data/text`` beside the repository.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lrp_domains import ATTN_LRP, CP_LRP, GRADIENT
from lrp_domains.text import TextExplainer

from .measure import cpu_seconds, median_ratio, write

SENTENCES = 500
RULES = {"AttnLRP": ATTN_LRP, "CP-LRP": CP_LRP, "gradient x input": GRADIENT}
DRAWS = 50  # of random relevance
NEGATIONS = {"not", "never", "no", "nothing", "neither", "nor", "hardly", "without"}


def sentences(folder: Path) -> list[str]:
    """All 3000 sentences, in the order of their files."""
    files = sorted((folder / "uci_sentences").glob("*_labelled.txt"))
    lines = [line for file in files for line in file.read_text().split("\n") if "\t" in line]
    return [line.rpartition("\t")[0].strip() for line in lines]


def lexicon(folder: Path) -> dict[str, str]:
    """Opinion words with their label; those that stand in both lists are none."""
    words = {}
    for label in ("negative", "positive"):
        lines = (folder / f"lexicons/huliu_{label}-words.txt").read_text(encoding="latin-1").splitlines()
        words[label] = {line.strip() for line in lines if line.strip() and not line.startswith(";")}
    both = words["negative"] & words["positive"]
    return {word: label.upper() for label, own in words.items() for word in own - both}


def ranked(words: pd.DataFrame, relevance: np.ndarray) -> pd.DataFrame:
    """Words of each text in order of relevance, with their rank from 1."""
    words = words.assign(relevance=relevance).sort_values(["text", "relevance"], ascending=[True, False], kind="stable")
    return words.assign(rank=words.groupby("text").cumcount() + 1)


def precision(words: pd.DataFrame, relevance: np.ndarray) -> dict[str, float]:
    """How many of the first words of a text are polar words of the predicted label, in percent."""
    order = ranked(words, relevance)
    row = {}
    for k in (1, 3):
        first = order[order["rank"] <= k]
        row[f"top {k}: right"] = 100 * first.loc[first["telling"], "right"].mean()
        row[f"top {k}: right of polar"] = 100 * first.loc[first["polarity"] != "", "right"].mean()
    return row


def lexicon_rows(explainers: dict[str, TextExplainer], texts: Sequence[str], polarity: dict[str, str]) -> list[dict]:
    """One row a method: precision of its first words."""
    tables = {name: explainer(texts).to_frame() for name, explainer in explainers.items()}
    words = next(iter(tables.values()))
    words = words[words["kind"] == "word"]
    words = words.assign(polarity=words["word"].str.lower().map(polarity).fillna(""))
    words["right"] = words["polarity"] == words["prediction"]
    # A text without a polar word of the predicted label can't have one among its first.
    words["telling"] = words.groupby("text")["right"].transform("any")
    draw = np.random.default_rng(0)
    rows = {name: precision(words, table.loc[words.index, "relevance"].to_numpy()) for name, table in tables.items()}
    draws = pd.DataFrame([precision(words, draw.random(len(words))) for _ in range(DRAWS)])
    rows["random"] = draws.mean().to_dict()
    rows["best possible"] = precision(words, words["right"].to_numpy(float))
    print(f"{words.loc[words['telling'], 'text'].nunique()} of {len(texts)} texts hold a right word")
    return [{"method": name, **row} for name, row in rows.items()]


def speed(explainers: dict[str, TextExplainer], texts: Sequence[str], folder: Path) -> dict[str, dict[str, float]]:
    """CPU seconds of explaining, beside those of predicting the same texts in the same batches."""
    explainer = explainers["AttnLRP"]
    model, tokenizer = explainer.model, explainer.tokenizer

    def predict() -> None:
        encoded = sorted(tokenizer(list(texts))["input_ids"], key=len)
        with torch.no_grad():
            for i in range(0, len(encoded), explainer.settings.batch_size):
                batch = {"input_ids": encoded[i : i + explainer.settings.batch_size]}
                model(**tokenizer.pad(batch, return_tensors="pt"))

    runs = {"prediction": predict}
    for name, one in explainers.items():
        runs[name] = lambda one=one: one(texts)
    seconds = cpu_seconds(runs, repeats=3)
    return {
        name: {
            "sentences / s": len(texts) / statistics.median(taken),
            "/ prediction": median_ratio(taken, seconds["prediction"]),
        }
        for name, taken in seconds.items()
    }


def negations(words: pd.DataFrame, polarity: dict[str, str]) -> pd.DataFrame:
    """Positive words, and whether a negation stands among the two words before."""
    words = words[words["kind"] == "word"].assign(lower=words["word"].str.lower().str.replace("’", "'"))
    words["negates"] = words["lower"].isin(NEGATIONS) | words["lower"].str.endswith("n't")
    before = [words.groupby("text")[["negates", "relevance"]].shift(n) for n in (1, 2)]
    words["negated"] = before[0]["negates"].eq(True) | before[1]["negates"].eq(True)
    words["of negation"] = before[0]["relevance"].where(before[0]["negates"].eq(True), before[1]["relevance"])
    return words[words["lower"].map(polarity) == "POSITIVE"]


def negation_rows(explainers: dict[str, TextExplainer], texts: Sequence[str], polarity: dict[str, str]) -> list[dict]:
    """How a negation and the positive word behind it are read, in log-odds for POSITIVE."""
    rows = []
    for name, explainer in explainers.items():
        found = negations(explainer(texts, target="POSITIVE").to_frame(), polarity)
        negated = found[found["negated"]]
        for prediction in ("NEGATIVE", "POSITIVE"):
            own = negated[negated["prediction"] == prediction]
            plain = found[~found["negated"] & (found["prediction"] == prediction)]
            rows.append(
                {
                    "method": name,
                    "predicted": prediction,
                    "pairs": str(len(own)),
                    "negation": own["of negation"].mean(),
                    "negation < 0, %": 100 * (own["of negation"] < 0).mean(),
                    "positive word": own["relevance"].mean(),
                    "positive word < 0, %": 100 * (own["relevance"] < 0).mean(),
                    "the same, not negated": plain["relevance"].mean(),
                }
            )
    return rows


def main(folder: Path) -> None:
    if not (folder / "minilm_sst2").is_dir():
        sys.exit(f"there is no '{folder / 'minilm_sst2'}': give the folder that holds the model and the sentences")
    every, polarity = sentences(folder), lexicon(folder)
    texts = every[:: len(every) // SENTENCES][:SENTENCES]
    model = str(folder / "minilm_sst2")
    explainers = {
        name: TextExplainer.from_pretrained(model, rules=rules, device="cpu") for name, rules in RULES.items()
    }
    rows, cost = lexicon_rows(explainers, texts, polarity), speed(explainers, texts, folder)
    for row in rows:
        row |= cost.get(row["method"], {"sentences / s": "", "/ prediction": ""})
    rows.append({"method": "prediction alone", **dict.fromkeys(list(rows[0])[1:5], ""), **cost["prediction"]})
    write(
        "text_lexicon",
        "The most relevant words of a sentence against a lexicon of opinion words",
        rows,
        f"{len(texts)} sentences of the UCI sentiment labelled sentences, every sixth; a MiniLM BERT fine-tuned on "
        "SST-2; relevance for the log-odds of the predicted label. Right: a word of Hu & Liu with the sign of the "
        "predicted label. In percent of a sentence's one or three most relevant words, in sentences that hold a right "
        "word; and of those of them that the lexicon knows at all, in all sentences. Words that no lexicon knows may "
        "well be right, so compare rows. Speed is CPU time and includes tokenizer, words and ledger.",
    )
    write(
        "text_negation",
        "How a negation before a positive word is read",
        negation_rows(explainers, every, polarity),
        "Positive words of Hu & Liu with a negation (not, n't, never, no, ...) one or two words before, in all "
        f"{len(every):,} sentences. Mean relevance for the log-odds of POSITIVE; below 0 it is read as speaking "
        "against it. Last column: positive words without a negation, in sentences with the same prediction.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    beside = Path(__file__).parents[2] / "shared/data/text"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else beside)
