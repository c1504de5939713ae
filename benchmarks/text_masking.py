"""Which words does a prediction depend on, by masking them? ``python -m benchmarks.text_masking [FOLDER]``.

Words are masked in the order of their relevance, the most relevant first and the least relevant first, in steps of a
tenth of the sentence; the area between the two curves of the predicted class's probability (ABPC) is large if relevance
ranks the words well. FOLDER is that of `benchmarks.text_lexicon`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from lrp_domains import ATTN_LRP, GRADIENT, SECANT, SECANT_HALF, RuleSet, relevance, relevance_against

from .measure import cpu_seconds, median_ratio, write
from .text_lexicon import sentences

SENTENCES = 100
STEPS = np.arange(0.1, 0.95, 0.1)
MASKED = "secants against masked words"
EXACT, HALF, INTEGRATED = MASKED, f"{MASKED}, queries and keys half", "integrated gradients, 50 steps"


@dataclass(frozen=True)
class Sentence:
    """A sentence for the model: embeddings, those with all words masked, each token's word (-1: none), and the score.

    The score is the log-odds of the predicted class; for two classes that is a difference of logits.
    """

    embeddings: Tensor
    masked: Tensor
    words: Tensor
    score: Callable[[Tensor], Tensor]
    probability: Callable[[Tensor], Tensor]


def read(text: str, model, tokenizer) -> Sentence:
    encoded = tokenizer(text, return_tensors="pt", truncation=True)
    words = torch.tensor([-1 if word is None else word for word in encoded.word_ids()])
    embed = model.get_input_embeddings()
    embeddings = embed(encoded.input_ids).detach()
    mask = embed(torch.tensor(tokenizer.mask_token_id)).detach()
    masked = torch.where((words >= 0)[None, :, None], mask, embeddings)

    def logits(e: Tensor) -> Tensor:
        return model(inputs_embeds=e, token_type_ids=encoded.token_type_ids.expand(len(e), -1)).logits

    with torch.no_grad():
        predicted = int(logits(embeddings).argmax())
    return Sentence(
        embeddings,
        masked,
        words,
        score=lambda e: logits(e)[:, predicted] - logits(e)[:, 1 - predicted],
        probability=lambda e: logits(e).softmax(1)[:, predicted],
    )


# ---- Methods: the relevance of each token


def _lrp(rules: RuleSet, sentence: Sentence) -> Tensor:
    x = sentence.embeddings.clone().requires_grad_()
    return relevance(sentence.score(x), x, rules=rules)


def _against(rules: RuleSet, sentence: Sentence) -> Tensor:
    return relevance_against(sentence.score, sentence.embeddings, sentence.masked, rules=rules)


def _integrated(sentence: Sentence) -> Tensor:
    from captum.attr import IntegratedGradients

    return IntegratedGradients(sentence.score).attribute(
        sentence.embeddings, sentence.masked, n_steps=50, method="riemann_middle"
    )


def _random(sentence: Sentence) -> Tensor:
    return torch.randn(sentence.embeddings.shape, generator=torch.Generator().manual_seed(0))


METHODS: dict[str, Callable[[Sentence], Tensor]] = {
    EXACT: partial(_against, SECANT),
    HALF: partial(_against, SECANT_HALF),
    INTEGRATED: _integrated,
    "AttnLRP": partial(_lrp, ATTN_LRP),
    "gradient x (input - masked)": partial(_against, GRADIENT),
    "random": _random,
}


def abpc(sentence: Sentence, attribution: Tensor) -> float:
    """Return the area between the curves of the probability, least relevant words first minus most relevant first."""
    n = int(sentence.words.max()) + 1
    tokens = attribution[0].sum(-1)
    of_words = torch.zeros(n).index_add_(0, sentence.words.clamp_min(0), tokens * (sentence.words >= 0))
    order = of_words.argsort(descending=True)
    counts = np.ceil(STEPS * n).astype(int)

    hidden = torch.zeros(2, len(counts), n, dtype=torch.bool)
    for step, count in enumerate(counts):
        hidden[0, step, order[:count]] = True
        hidden[1, step, order[n - count :]] = True
    hidden = hidden.view(-1, n)[:, sentence.words.clamp_min(0)] & (sentence.words >= 0)
    perturbed = torch.where(hidden[..., None], sentence.masked, sentence.embeddings)
    with torch.no_grad():
        most, least = sentence.probability(perturbed).view(2, -1).mean(1)
    return float(least - most)


def main(folder: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(folder / "minilm_sst2").eval().requires_grad_(False)
    tokenizer = AutoTokenizer.from_pretrained(folder / "minilm_sst2")
    texts = sentences(folder)
    chosen = np.random.default_rng(0).choice(len(texts), SENTENCES, replace=False)
    read_texts = [read(texts[i], model, tokenizer) for i in chosen]
    areas = {name: np.array([abpc(s, method(s)) for s in read_texts]) for name, method in METHODS.items()}

    def gradient(sentence: Sentence) -> None:
        x = sentence.embeddings.clone().requires_grad_()
        torch.autograd.grad(sentence.score(x).sum(), x)

    timed = {name: METHODS[name] for name in METHODS if name != "random"} | {"gradient": gradient}
    seconds = cpu_seconds({name: partial(run, read_texts[0]) for name, run in timed.items()}, 7)

    rows = []
    for name, area in areas.items():
        difference = area - areas[INTEGRATED]
        cost = f"{median_ratio(seconds[name], seconds['gradient']):.1f}" if name in seconds else "-"
        rows.append(
            {
                "method": name,
                "ABPC": f"{area.mean():.3f} ± {_error(area):.3f}",
                "minus integrated gradients": f"{difference.mean():+.3f} ± {_error(difference):.3f}",
                "gradients": cost,
            }
        )
    write(
        "text_masking",
        "Masking words in the order of their relevance",
        rows,
        f"{SENTENCES} UCI sentences (drawn with seed 0), MiniLM fine-tuned on SST-2. ABPC is the area between the "
        "curves of the predicted class's probability (least relevant words masked first minus most relevant first), "
        "with its standard error; differences are paired. *gradients* is the CPU time in gradients of the same score, "
        "for one sentence. The reference of both methods is the very mask that the words are replaced by.",
    )


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    default = Path(__file__).parents[2] / "shared" / "data" / "text"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
