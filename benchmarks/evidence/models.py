"""The models that are explained: one that exists, and others that are trained here, once, into ``build/evidence``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from lrp_domains.text import TextExplainer

from . import data

TRAINED = Path(__file__).parents[2] / "build" / "evidence"
BATCH = 32


def minilm(folder: Path) -> Path:
    """Return the folder of a MiniLM of 6 layers that was fine-tuned on SST-2."""
    return folder / "minilm_sst2"


def four_layers(folder: Path) -> Path:
    """Return a BERT of 4 layers that has learnt the MiniLM's scores, from its lower layers on."""

    def make(teacher: nn.Module) -> nn.Module:
        config = BertConfig.from_dict(teacher.config.to_dict() | {"num_hidden_layers": 4})
        student = BertForSequenceClassification(config)
        student.load_state_dict(teacher.state_dict(), strict=False)
        return student

    return _distilled(folder, "four_layers", make, rate=1e-4)


def causal(folder: Path) -> Path:
    """Return a GPT-2 of 3 layers that has learnt the MiniLM's scores; of it, it has the embeddings of words only."""

    def make(teacher: nn.Module) -> nn.Module:
        config = GPT2Config(
            vocab_size=teacher.config.vocab_size, n_positions=512, n_embd=384, n_layer=3, n_head=12, num_labels=2,
            pad_token_id=0, bos_token_id=101, eos_token_id=102, id2label=teacher.config.id2label,
            label2id=teacher.config.label2id,
        )  # fmt: skip
        student = GPT2ForSequenceClassification(config)
        student.transformer.wte.weight.data.copy_(teacher.get_input_embeddings().weight.data)
        return student

    return _distilled(folder, "causal", make, rate=5e-4, epochs=2)


def gender(folder: Path) -> Path:
    """Return the MiniLM fine-tuned on GECO: whether a sentence is about men or women."""

    def train(out: Path) -> None:
        sentences = data.geco(folder, "train")
        tokenizer = AutoTokenizer.from_pretrained(minilm(folder))
        model = AutoModelForSequenceClassification.from_pretrained(
            minilm(folder), num_labels=2, id2label={0: "female", 1: "male"}, label2id={"female": 0, "male": 1}
        )
        labels = torch.tensor([sentence.label == "male" for sentence in sentences]).long()

        def loss(logits: Tensor, rows: Tensor) -> Tensor:
            return nn.functional.cross_entropy(logits, labels[rows])

        _fit(model, tokenizer, [sentence.text for sentence in sentences], loss, rate=5e-5, epochs=2)
        _save(model, tokenizer, out)

    return _once("gender", train)


def in_bfloat16(path: str) -> TextExplainer:
    """Return an explainer that multiplies matrices in bfloat16, to score texts with faster."""
    model = AutoModelForSequenceClassification.from_pretrained(path)
    model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    return TextExplainer(model.eval(), AutoTokenizer.from_pretrained(path), batch_size=256)


def _distilled(
    folder: Path, name: str, make: Callable[[nn.Module], nn.Module], *, rate: float, epochs: int = 1
) -> Path:
    def train(out: Path) -> None:
        teacher = AutoModelForSequenceClassification.from_pretrained(minilm(folder)).eval()
        tokenizer = AutoTokenizer.from_pretrained(minilm(folder))
        texts = data.review_sentences(folder)
        torch.manual_seed(0)
        student = make(teacher)
        with torch.no_grad():
            goals = torch.cat([teacher(**_encoded(tokenizer, part)).logits for part in _parts(texts)])

        def loss(logits: Tensor, rows: Tensor) -> Tensor:
            return nn.functional.mse_loss(logits, goals[rows])

        _fit(student, tokenizer, texts, loss, rate=rate, epochs=epochs)
        _save(student, tokenizer, out)

    return _once(name, train)


def _once(name: str, train: Callable[[Path], None]) -> Path:
    out = TRAINED / name
    if not (out / "config.json").exists():
        print(f"training {name}", flush=True)
        train(out)
    return out


def _fit(
    model: nn.Module,
    tokenizer,
    texts: Sequence[str],
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    rate: float,
    epochs: int,
) -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.01)
    total = epochs * (len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (0.1 * total), max(0.0, (total - step) / (0.9 * total)))
    )
    for _ in range(epochs):
        # Batches of similar lengths, in random order.
        order = random.permutation(len(texts))
        lengths = np.array([len(texts[number]) for number in order]) + random.integers(0, 20, len(texts))
        batches = order[np.argsort(lengths, kind="stable")]
        batches = np.split(batches[: len(texts) // BATCH * BATCH], len(texts) // BATCH)
        for number in random.permutation(len(batches)):
            rows = batches[number]
            logits = model(**_encoded(tokenizer, [texts[row] for row in rows])).logits
            value = loss(logits, torch.as_tensor(rows))
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    model.eval()
    print(f"last loss {float(value.detach()):.3f}", flush=True)


def _encoded(tokenizer, texts: Sequence[str]) -> dict[str, Tensor]:
    encoded = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True, max_length=128)
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]


def _save(model: nn.Module, tokenizer, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(out)
    model.save_pretrained(out)
