"""Do explanations of texts depend on the model? ``python -m benchmarks.evidence.dependence [--folder FOLDER]``.

Parameter randomisation from the top (Adebayo et al. 2018): the layers of the MiniLM are shuffled one after the other.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import torch

from lrp_domains.evaluation import rivals
from lrp_domains.text import TextExplainer
from lrp_domains.text.evaluation import METHODS, Method, parameter_randomisation

from ..measure import RESULTS, machine
from . import data, models

SENTENCES = 50
LAYERS = {
    "head": "classifier",
    "pooler": "bert.pooler",
    **{f"layer {number}": f"bert.encoder.layer.{number - 1}" for number in (6, 5, 4, 3, 2, 1)},
    "embeddings": "bert.embeddings",
}
NAMES = ("attn-lrp", "cp-lrp", "gim", "secant", "secant-half", "attn-lrp-midpoints", "gradient", "attention", "rollout")
COMPARED = {name: METHODS[name] for name in NAMES} | {
    "integrated-gradients, 20 steps": Method(rivals.integrated_gradients(20), against_reference=True)
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Do explanations depend on the model?")
    parser.add_argument("--folder", type=Path, default=data.FOLDER)
    folder = parser.parse_args().folder
    explainer = TextExplainer.from_pretrained(str(models.minilm(folder)), device="cpu")
    texts, rows = data.uci(folder, SENTENCES), []
    for name, method in COMPARED.items():
        by = explainer.explaining_by(method.rules, "mask" if method.against_reference else None)
        table = parameter_randomisation(by, texts, layers=list(LAYERS.values()))
        rows.append({"method": name} | dict(zip(LAYERS, table["similarity"].tolist(), strict=True)))
        print(name, table["similarity"].round(2).tolist(), flush=True)
    record = {"machine": machine(), "sentences": SENTENCES, "rows": rows}
    (RESULTS / "evidence" / "dependence.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    main()
