"""The texts that are explained, some with a known truth, from a folder beside the repository."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..text_lexicon import lexicon, sentences

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "text"


@dataclass(frozen=True)
class Marked:
    """A text, its label, and the characters of what is known to decide it."""

    text: str
    label: str
    spans: tuple[tuple[int, int], ...]


def uci(folder: Path, count: int) -> list[str]:
    """Return sentences of reviews (UCI, Kotzias et al. 2015), drawn at random."""
    texts = [text for text in sentences(folder) if 3 <= len(text.split()) <= 60]
    chosen = np.random.default_rng(0).choice(len(texts), count, replace=False)
    return [texts[number] for number in chosen]


def opinion_words(folder: Path) -> dict[str, str]:
    """Return opinion words with their label (Hu and Liu 2004)."""
    return lexicon(folder)


def _documents(folder: Path) -> dict[str, str]:
    with gzip.open(folder / "eraser_movies" / "docs.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {record["docid"]: record["text"] for record in map(json.loads, lines)}


def _records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def reviews(folder: Path, count: int) -> list[Marked]:
    """Return reviews of films with the phrases that people marked as reasons (ERASER; Zaidan et al. 2007), the shortest
    of those that are held out."""
    documents, found = _documents(folder), []
    for record in _records(folder / "eraser_movies" / "val.jsonl"):
        text = documents[record["annotation_id"]]
        starts, ends, place = [], [], 0
        for token in text.split():
            place = text.index(token, place)
            starts.append(place)
            place += len(token)
            ends.append(place)
        evidence = [span for group in record["evidences"] for span in group]
        spans = tuple((starts[span["start_token"]], ends[span["end_token"] - 1]) for span in evidence)
        found.append(Marked(text, {"NEG": "NEGATIVE", "POS": "POSITIVE"}[record["classification"]], spans))
    return sorted(found, key=lambda marked: len(marked.text.split()))[:count]


def review_sentences(folder: Path, count: int = 16_000) -> list[str]:
    """Return sentences of other reviews, to train on."""
    held_out = {record["annotation_id"] for record in _records(folder / "eraser_movies" / "val.jsonl")}
    lines = [
        line.strip()
        for name, text in _documents(folder).items()
        if name not in held_out
        for line in text.split("\n")
        if 4 <= len(line.split()) <= 50
    ]
    chosen = np.random.default_rng(0).permutation(len(lines))[:count]
    return [lines[number] for number in chosen]


def geco(folder: Path, part: str, subset: str = "all") -> list[Marked]:
    """Return sentences in a male and a female version, with the words that differ (GECO, Clark et al. 2024)."""
    found = []
    for record in _records(folder / "geco" / f"binary_gender_{subset}" / f"{part}.jsonl"):
        spans, place = [], 0
        for word, decides in zip(record["sentence"], record["ground_truth"], strict=True):
            if decides:
                spans.append((place, place + len(word)))
            place += len(word) + 1
        found.append(Marked(" ".join(record["sentence"]), record["gender"], tuple(spans)))
    return found
