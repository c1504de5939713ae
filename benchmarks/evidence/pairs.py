"""Which word decided the next one? ``python -m benchmarks.evidence.pairs [--folder FOLDER]``.

A small GPT-2 is trained on the correct sentences of three phenomena of BLiMP (Warstadt et al. 2020, TACL 8:377), with a
fifth of them held out. For those of the held-out ones that it completes correctly, the right next word is explained
against the wrong one; the word that it must agree with should be the most relevant.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from lrp_domains.evaluation import Measures, compare, plausibility
from lrp_domains.text import TextExplainer
from lrp_domains.text.evaluation import METHODS

from ..measure import RESULTS, machine
from . import data

PHENOMENA: dict[str, Callable[[list[str]], int]] = {
    # The name that "herself" refers to; those of other nouns are left out.
    "anaphor_gender_agreement": lambda words: -1 if words[0] in DETERMINERS else 0,
    # The determiner before a noun in the singular or plural.
    "determiner_noun_agreement_1": lambda words: len(words) - 1,
    # The head of "a niece of most senators", not what is nearest to the verb.
    "distractor_agreement_relational_noun": lambda words: min(words.index(w) for w in PREPOSITIONS & {*words}) - 1,
}
DETERMINERS = {
    "A", "An", "The", "This", "That", "These", "Those", "Every", "Each", "Some", "Most", "Many", "All", "Few", "No",
    "Any", "Both", "Several",
}  # fmt: skip
PREPOSITIONS = {"of", "about", "to", "by", "with", "for", "in", "from", "on"}
CHOSEN = (
    "attn-lrp",
    "cp-lrp",
    "gim",
    "gradient",
    "secant",
    "secant-half",
    "integrated-gradients",
    "occlusion",
    "random",
)
EPOCHS, BATCH = 30, 32


@dataclass(frozen=True)
class Pair:
    """The beginning of a sentence, its right and wrong next word, and the number of the word that decides."""

    prefix: str
    right: str
    wrong: str
    decides: int
    sentence: str


def pairs(folder: Path) -> dict[str, list[Pair]]:
    """Return the pairs of each phenomenon, in random order."""
    random, found = np.random.default_rng(0), {}
    for name, decides in PHENOMENA.items():
        lines = (folder / "blimp" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        records = [r for r in records if " " not in r["one_prefix_word_good"] + r["one_prefix_word_bad"]]
        of = [
            Pair(
                record["one_prefix_prefix"], record["one_prefix_word_good"], record["one_prefix_word_bad"],
                decides(record["one_prefix_prefix"].split()), record["sentence_good"].rstrip(".").strip(),
            )
            for record in records
        ]  # fmt: skip
        found[name] = [of[number] for number in random.permutation(len(of)) if of[number].decides >= 0]
    return found


def train(sentences: list[str], words: list[str]) -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """Train a GPT-2 of 2 layers on sentences."""
    vocabulary = {word: number for number, word in enumerate(["<pad>", "<unk>", *sorted(set(words))])}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", unk_token="<unk>")
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=32, n_embd=128, n_layer=2, n_head=4, pad_token_id=0, bos_token_id=None,
        eos_token_id=None,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
    random = np.random.default_rng(0)
    for _ in range(EPOCHS):
        order = random.permutation(len(sentences))
        for start in range(0, len(order), BATCH):
            texts = [sentences[number] for number in order[start : start + BATCH]]
            encoded = tokenizer(texts, return_tensors="pt", padding=True)
            labels = encoded.input_ids.masked_fill(encoded.attention_mask == 0, -100)
            logits = model(encoded.input_ids, attention_mask=encoded.attention_mask).logits
            loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    print(f"last loss {float(loss.detach()):.3f}", flush=True)
    return model.eval(), tokenizer


def completed(explainer: TextExplainer, chosen: list[Pair]) -> list[Pair]:
    """Return the pairs whose right word the model prefers."""
    right = []
    for pair in chosen:
        ids = explainer.tokenizer(pair.prefix, return_tensors="pt").input_ids
        with torch.no_grad():
            logits = explainer.model(ids).logits[0, -1]
        numbers = explainer.tokenizer.convert_tokens_to_ids([pair.right, pair.wrong])
        if logits[numbers[0]] > logits[numbers[1]]:
            right.append(pair)
    return right


def study(explainer: TextExplainer, chosen: list[Pair]) -> dict:
    """Compare methods on the pairs of one phenomenon."""
    right = completed(explainer, chosen)
    texts = [pair.prefix for pair in right]
    wishes = {"target": [pair.right for pair in right], "against": [pair.wrong for pair in right]}

    def explained(name: str) -> list[np.ndarray]:
        method = METHODS[name]
        by = explainer.explaining_by(method.rules, "pad" if method.against_reference else None)
        return [np.array([token.relevance for token in result.tokens]) for result in by(texts, **wishes)]

    truth = [np.arange(len(pair.prefix.split())) == pair.decides for pair in right]
    measures: list[Measures] = [plausibility(truth)]
    found = compare({name: (lambda name=name: explained(name)) for name in CHOSEN}, measures, unit="gradient")
    return {
        "accuracy": len(right) / len(chosen),
        "pairs": len(right),
        "rows": found.table("integrated-gradients").to_dict("records"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Which word decided the next one?")
    parser.add_argument("--folder", type=Path, default=data.FOLDER)
    options = parser.parse_args()
    found = pairs(options.folder)
    held_out = {name: of[: len(of) // 5] for name, of in found.items()}
    learnt = [pair.sentence for of in found.values() for pair in of[len(of) // 5 :]]
    words = [word for of in found.values() for pair in of for word in f"{pair.sentence} {pair.wrong}".split()]
    model, tokenizer = train(learnt, words)
    explainer = TextExplainer(model, tokenizer)
    studies = {name: study(explainer, of) for name, of in held_out.items()}
    path = RESULTS / "evidence" / "pairs.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "studies": studies}, indent=1) + "\n")
    for name, result in studies.items():
        print(name, f"accuracy {result['accuracy']:.3f}, {result['pairs']} pairs")
        for row in result["rows"]:
            if row["measure"] == "p@1":
                print(f"  {row['method']:22} {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main()
