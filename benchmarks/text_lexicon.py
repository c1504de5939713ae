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
    """Return all 3000 sentences, in the order of their files."""
    files = sorted((folder / "uci_sentences").glob("*_labelled.txt"))
    lines = [line for file in files for line in file.read_text().split("\n") if "\t" in line]
    return [line.rpartition("\t")[0].strip() for line in lines]


def lexicon(folder: Path) -> dict[str, str]:
    """Return opinion words with their label; words in both lists are dropped."""
    words = {}
    for label in ("negative", "positive"):
        lines = (folder / f"lexicons/huliu_{label}-words.txt").read_text(encoding="latin-1").splitlines()
        words[label] = {line.strip() for line in lines if line.strip() and not line.startswith(";")}
    both = words["negative"] & words["positive"]
    return {word: label.upper() for label, listed in words.items() for word in listed - both}


def ranked(words: pd.DataFrame, relevance: np.ndarray) -> pd.DataFrame:
    """Return the words of each text in order of relevance, with their rank from 1."""
    words = words.assign(relevance=relevance).sort_values(["text", "relevance"], ascending=[True, False], kind="stable")
    return words.assign(rank=words.groupby("text").cumcount() + 1)


def precision(words: pd.DataFrame, relevance: np.ndarray) -> dict[str, float]:
    """Return the percentage of a text's top words that are polar words of the predicted label."""
    order = ranked(words, relevance)
    row = {}
    for k in (1, 3):
        top = order[order["rank"] <= k]
        row[f"top {k}: right"] = 100 * top.loc[top["has_right"], "right"].mean()
        row[f"top {k}: right of polar"] = 100 * top.loc[top["polarity"] != "", "right"].mean()
    return row


def lexicon_rows(explainers: dict[str, TextExplainer], texts: Sequence[str], polarity: dict[str, str]) -> list[dict]:
    """Return one row per method: the precision of its top words."""
    tables = {name: explainer(texts).to_frame() for name, explainer in explainers.items()}
    words = next(iter(tables.values()))
    words = words[words["kind"] == "word"]
    words = words.assign(polarity=words["word"].str.lower().map(polarity).fillna(""))
    words["right"] = words["polarity"] == words["prediction"]
    # A text without a polar word of the predicted label can't have one among its top words.
    words["has_right"] = words.groupby("text")["right"].transform("any")

    rows = {name: precision(words, table.loc[words.index, "relevance"].to_numpy()) for name, table in tables.items()}
    random = np.random.default_rng(0)
    draws = pd.DataFrame([precision(words, random.random(len(words))) for _ in range(DRAWS)])
    rows["random"] = draws.mean().to_dict()
    rows["best possible"] = precision(words, words["right"].to_numpy(float))
    print(f"{words.loc[words['has_right'], 'text'].nunique()} of {len(texts)} texts have a right word")
    return [{"method": name, **row} for name, row in rows.items()]


def speed(explainers: dict[str, TextExplainer], texts: Sequence[str], folder: Path) -> dict[str, dict[str, float]]:
    """Measure the CPU time of explaining and of predicting the same texts in the same batches."""
    explainer = explainers["AttnLRP"]
    model, tokenizer = explainer.model, explainer.tokenizer

    def predict() -> None:
        encoded = sorted(tokenizer(list(texts))["input_ids"], key=len)
        with torch.no_grad():
            for i in range(0, len(encoded), explainer.settings.batch_size):
                batch = {"input_ids": encoded[i : i + explainer.settings.batch_size]}
                model(**tokenizer.pad(batch, return_tensors="pt"))

    runs = {"prediction": predict}
    for name, explain in explainers.items():
        runs[name] = lambda explain=explain: explain(texts)
    seconds = cpu_seconds(runs, repeats=3)
    return {
        name: {
            "sentences / s": len(texts) / statistics.median(times),
            "/ prediction": median_ratio(times, seconds["prediction"]),
        }
        for name, times in seconds.items()
    }


def negations(words: pd.DataFrame, polarity: dict[str, str]) -> pd.DataFrame:
    """Return the positive words, and whether one of the two words before is a negation."""
    words = words[words["kind"] == "word"].assign(lower=words["word"].str.lower().str.replace("’", "'"))
    words["negates"] = words["lower"].isin(NEGATIONS) | words["lower"].str.endswith("n't")
    before = [words.groupby("text")[["negates", "relevance"]].shift(n) for n in (1, 2)]
    words["negated"] = before[0]["negates"].eq(True) | before[1]["negates"].eq(True)
    words["of negation"] = before[0]["relevance"].where(before[0]["negates"].eq(True), before[1]["relevance"])
    return words[words["lower"].map(polarity) == "POSITIVE"]


def negation_rows(explainers: dict[str, TextExplainer], texts: Sequence[str], polarity: dict[str, str]) -> list[dict]:
    """Return the relevance of negations and of the positive words after them, in log-odds of POSITIVE."""
    rows = []
    for name, explainer in explainers.items():
        positive = negations(explainer(texts, target="POSITIVE").to_frame(), polarity)
        for prediction in ("NEGATIVE", "POSITIVE"):
            words = positive[positive["prediction"] == prediction]
            negated, plain = words[words["negated"]], words[~words["negated"]]
            rows.append(
                {
                    "method": name,
                    "predicted": prediction,
                    "pairs": str(len(negated)),
                    "negation": negated["of negation"].mean(),
                    "negation < 0, %": 100 * (negated["of negation"] < 0).mean(),
                    "positive word": negated["relevance"].mean(),
                    "positive word < 0, %": 100 * (negated["relevance"] < 0).mean(),
                    "the same, not negated": plain["relevance"].mean(),
                }
            )
    return rows


def main(folder: Path) -> None:
    if not (folder / "minilm_sst2").is_dir():
        sys.exit(f"'{folder / 'minilm_sst2'}' is missing: pass the folder of the model and the sentences")
    all_texts, polarity = sentences(folder), lexicon(folder)
    texts = all_texts[:: len(all_texts) // SENTENCES][:SENTENCES]
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
        "predicted label. In percent of a sentence's one or three most relevant words, in sentences that have a right "
        "word; and in percent of those among them that are in the lexicon, in all sentences. Words outside the lexicon "
        "may be right too, so compare rows. Speed is CPU time and includes tokenizer, words and ledger.",
    )
    write(
        "text_negation",
        "Relevance of a negation before a positive word",
        negation_rows(explainers, all_texts, polarity),
        "Positive words of Hu & Liu with a negation (not, n't, never, no, ...) one or two words before, in all "
        f"{len(all_texts):,} sentences. Mean relevance for the log-odds of POSITIVE; below 0 it counts against it. "
        "Last column: positive words without a negation, in sentences with the same prediction.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    default = Path(__file__).parents[2] / "shared/data/text"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
