"""Methods compared on the demo, whose truth is known: which find the planted motifs, and at what cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ... import GRADIENT
from ...domain import Progress, no_progress
from ...evaluation import (
    Comparison,
    average_motifs,
    compare,
    find_seqlets,
    motif_similarity,
    page,
    plausibility,
    sites_found,
)
from ...evaluation.rivals import Problem, Rival, deeplift, integrated_gradients, mutagenesis
from ...genomics.shuffles import dinucleotide_shuffle
from ...sequences import Record, SequenceExplainer
from .planted_motifs import CLASSES, CONSENSUS, LETTERS, WIDTH, Sites, motif
from .train import Demo

TARGET, SHUFFLES = CLASSES.index("together"), 5
UNIT = "gradient x input"


def compare_methods(demo: Demo, network: str, count: int = 60, progress: Progress = no_progress) -> Comparison:
    """Compare methods on held-out sequences whose motifs are together, and on as many shuffles, the null of seqlets.

    Measured are how well letters of the planted motifs are ranked, and precision and recall of seqlets. DeepLIFT and
    integrated gradients, of captum and this package, are for one-hot encoded input: `network` ``"cnn"``.
    """
    records, sites = _with_null(demo, count)
    masks = [np.zeros(len(record.letters), bool) for record in records]
    for mask, of in zip(masks, sites, strict=True):
        for start, end in of:
            mask[start:end] = True

    def explained(**settings) -> Callable[[], list[np.ndarray]]:
        explainer = demo.explainer(network, references=SHUFFLES, **settings)
        return lambda: [result.relevance for result in explainer(records, TARGET)]

    by_rival = partial(_by_rival, demo.explainer(network), records)
    methods = {f"SECANT, {SHUFFLES} shuffles": explained(reference="shuffle"), "AttnLRP": explained()}
    methods |= {UNIT: explained(rules=GRADIENT), "in-silico mutagenesis": partial(by_rival, mutagenesis(), 1)}
    if network == "cnn":
        methods[f"DeepLIFT, {SHUFFLES} shuffles"] = partial(by_rival, deeplift(), SHUFFLES)
        methods[f"integrated gradients, {SHUFFLES} shuffles"] = partial(by_rival, integrated_gradients(50), SHUFFLES)
    explained()()[:1]  # what is done only once, such as finding the layout, is no part of the cost
    return compare(methods, [plausibility(masks), sites_found(sites)], unit=UNIT, progress=progress)


def write_comparison(demo: Demo, network: str, folder: Path, count: int = 60, progress: Progress = no_progress) -> str:
    """Compare methods, write the comparison to a folder, and return how similar the recovered motifs are, in words."""
    compared = compare_methods(demo, network, count, progress)
    similarity = recovered_motifs(demo, network, count)
    motifs = ", ".join(f"{consensus} {value:.2f}" for consensus, value in similarity.items())
    notes = [f"Similarity of the planted motifs with what SECANT's seqlets average to: {motifs}."]
    page.write_comparison(compared, folder, title="Methods compared with planted motifs", notes=notes)
    return motifs


def recovered_motifs(demo: Demo, network: str, count: int = 60) -> dict[str, float]:
    """Return the similarity, in information content, of each planted motif with what SECANT's seqlets average to."""
    records, _ = _with_null(demo, count)
    results = demo.explainer(network, reference="shuffle", references=SHUFFLES)(records, TARGET)
    relevance, half = [result.relevance for result in results], len(records) // 2
    seqlets = find_seqlets(relevance[:half], relevance[half:], width=WIDTH)
    found = average_motifs([result.contributions for result in results[:half]], seqlets, len(CONSENSUS))
    planted = [motif(number) for number in range(len(CONSENSUS))]
    bits = [p * (2 + (p * np.log2(p)).sum(1, keepdims=True)) for p in planted]
    best = [max((motif_similarity(each, of).correlation for each in found), default=0.0) for of in bits]
    return dict(zip(CONSENSUS, best, strict=True))


def _with_null(demo: Demo, count: int) -> tuple[list[Record], list[Sites]]:
    together = [number for number, record in enumerate(demo.records) if record.label == CLASSES[TARGET]][:count]
    records = [demo.records[number] for number in together]
    shuffles = [Record(dinucleotide_shuffle(record.letters), record.name) for record in records]
    return records + shuffles, [demo.sites[number] for number in together] + [[] for _ in shuffles]


def _by_rival(explainer: SequenceExplainer, records: Sequence[Record], rival: Rival, shuffles: int) -> np.ndarray:
    """Return the relevance by a rival, N x L, the mean over shuffles of each sequence."""

    def score(x: torch.Tensor) -> torch.Tensor:
        letters = ["".join(LETTERS[letter] for letter in row) for row in x.argmax(-1).tolist()]
        inputs = torch.stack([explainer.encoded(each, "mutant") for each in letters]) if tokens else x.transpose(1, 2)
        logits = explainer.read(explainer.model, inputs).outputs
        return logits[:, TARGET] - logits[:, 1 - TARGET]

    def one_hot(letters: Sequence[str]) -> torch.Tensor:
        return torch.stack([torch.from_numpy(explainer.alphabet.one_hot(each)) for each in letters])

    tokens, total = hasattr(explainer.encoding, "tokenizer"), 0.0
    x = one_hot([record.letters for record in records])
    for seed in range(shuffles):
        shuffled = one_hot([dinucleotide_shuffle(record.letters, seed) for record in records])
        relevance = rival.relevance(Problem(score, (x,), (shuffled,), explainer.model))[0]
        total = total + relevance.detach().sum(2).double().numpy() / shuffles
    return total
