"""Methods compared on texts: ``python -m benchmarks.evidence.text [--folder FOLDER] [--study NAME]``.

FOLDER holds a sentiment model (``minilm_sst2``), sentences (``uci_sentences``), opinion words (``lexicons``), reviews
with rationales (``eraser_movies``) and sentences with a known truth (``geco``). Each study is a file of
``benchmarks/results/evidence``; those that have one are measured only if they are named.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lrp_domains.domain import resumable
from lrp_domains.evaluation import FRACTIONS, rivals
from lrp_domains.text import TextExplainer, TextRelevance
from lrp_domains.text.evaluation import METHODS, Method, compare_methods, words_within

from ..measure import RESULTS, machine
from . import data, models

OUT = RESULTS / "evidence"
RULES = ("attn-lrp", "cp-lrp", "gim", "secant", "secant-half", "attn-lrp-midpoints")
ALL = tuple(name for name in METHODS if name not in ("epsilon", "deeplift"))
MAIN = (*RULES, "gradient", "integrated-gradients", "occlusion", "attention", "random")
FEW_STEPS = "integrated-gradients, 10 steps"
LONG = (
    "attn-lrp",
    "cp-lrp",
    "secant",
    "secant-half",
    "attn-lrp-midpoints",
    "gradient",
    FEW_STEPS,
    "random",
)
# Of Wilming et al. 2024 (arXiv 2406.11547), who show results of other models, in figures only.
PUBLISHED = (
    "attn-lrp", "attn-lrp-midpoints", "gradient", "integrated-gradients", "gradient-shap", "smooth-gradient",
    "deeplift", "kernel-shap", "lime", "random",
)  # fmt: skip
Truth = Callable[[TextRelevance], np.ndarray]


@dataclass(frozen=True)
class Study:
    """Methods compared with one model on some texts.

    Attributes
    ----------
    title
        What is compared.
    model
        From the folder of data to that of the model.
    texts
        From the folder to the texts, and the truth of each if there is one.
    methods
        Which methods.
    how
        What removes a word.
    against
        The method that the others are compared with in pairs.
    fractions
        Of the words that are removed.
    """

    title: str
    model: Callable[[Path], Path]
    texts: Callable[[Path], tuple[list[str], Truth | None]]
    methods: Sequence[str] = MAIN
    how: str = "mask"
    against: str = "integrated-gradients"
    fractions: Sequence[float] = field(default=FRACTIONS)


def sentences(count: int) -> Callable[[Path], tuple[list[str], Truth | None]]:
    """Return sentences, whose truth is the opinion words of the label that is explained."""

    def texts(folder: Path) -> tuple[list[str], Truth]:
        polarity = data.opinion_words(folder)

        def truth(result: TextRelevance) -> np.ndarray:
            return np.array([polarity.get(word.text.lower()) == result.target for word in result.words])

        return data.uci(folder, count), truth

    return texts


def marked(make: Callable[[Path], list[data.Marked]]) -> Callable[[Path], tuple[list[str], Truth]]:
    """Return texts with marked words."""

    def texts(folder: Path) -> tuple[list[str], Truth]:
        found = make(folder)
        return [item.text for item in found], words_within({item.text: item.spans for item in found})

    return texts


COARSE = (0.01, 0.05, 0.1, 0.2, 0.5)
STUDIES = {
    "sentences_masked": Study("MiniLM, 6 layers; 500 sentences, words masked", models.minilm, sentences(500), ALL),
    "sentences_deleted": Study(
        "MiniLM, 6 layers; 300 sentences, words deleted", models.minilm, sentences(300), how="delete"
    ),
    "reviews": Study(
        "MiniLM, 6 layers; 100 reviews of 130 to 740 words with rationales, words masked", models.minilm,
        marked(lambda folder: data.reviews(folder, 100)), LONG, against=FEW_STEPS, fractions=(0.05, 0.2),
    ),
    "four_layers_masked": Study("BERT, 4 layers; 300 sentences, words masked", models.four_layers, sentences(300)),
    "causal_deleted": Study(
        "GPT-2, 3 layers; 300 sentences, words deleted", models.causal, sentences(300),
        [name for name in MAIN if name != "attention"], how="delete",  # the first token sees itself alone
    ),
    "gender": Study(
        "MiniLM fine-tuned on GECO; 644 sentences whose decisive words are known, words masked", models.gender,
        marked(lambda folder: data.geco(folder, "test")), fractions=COARSE,
    ),
    "gender_others": Study(
        "The same, 200 of the sentences, by the methods that GECO's authors compare", models.gender,
        marked(lambda folder: data.geco(folder, "test")[:200]), PUBLISHED, fractions=(0.1,),
    ),
}  # fmt: skip
OTHERS = {FEW_STEPS: Method(rivals.integrated_gradients(10), against_reference=True)}
"""Methods beside those of the package."""


def measure(study: Study, folder: Path, out: Path) -> dict:
    """Compare the methods of a study; an interrupted one, of which parts are kept beside ``out``, resumes."""
    path = str(study.model(folder))
    explainer, quick = TextExplainer.from_pretrained(path, device="cpu"), models.in_bfloat16(path)
    texts, truth = study.texts(folder)
    methods = {name: (METHODS | OTHERS)[name] for name in study.methods}
    with resumable(out, f"{study.title}: {', '.join(methods)}") as reached:
        found = compare_methods(
            explainer, texts, methods=methods, how=study.how, truth=truth, fractions=study.fractions, scored_by=quick,
            folder=reached,
        )  # fmt: skip
    table = found.table(study.against)
    return {
        "title": study.title,
        "machine": machine(),
        "texts": len(texts),
        "against": study.against,
        "warnings": found.warnings(),
        "rows": table.to_dict("records"),
        "best": found.table().query("best").groupby("measure")["method"].agg(list).to_dict(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare methods of explanation on texts.")
    parser.add_argument("--folder", type=Path, default=data.FOLDER)
    parser.add_argument("--study", action="append", choices=list(STUDIES))
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    for name in options.study or STUDIES:
        path = OUT / f"text_{name}.json"
        if path.exists() and not options.study:
            print(f"{name}: measured already")
            continue
        begin = time.perf_counter()
        path.write_text(json.dumps(measure(STUDIES[name], options.folder, path), indent=1) + "\n")
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main()
