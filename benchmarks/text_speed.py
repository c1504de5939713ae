"""Cost of explaining sentences, in predictions: ``python -m benchmarks.text_speed [FOLDER]``.

FOLDER is that of `benchmarks.text_lexicon`. From texts to results: tokens, model, relevance, words and ledger.
"""

from __future__ import annotations

import statistics
import sys
from functools import partial
from pathlib import Path

import torch

from lrp_domains.text import TextExplainer

from .measure import cpu_seconds, median_ratio, write
from .text_lexicon import sentences

COUNT, ROUNDS = 128, 5


def main(folder: Path) -> None:
    """Measure texts in batches of 16 and one by one, and write the table."""
    torch.set_num_threads(1)
    explainer = TextExplainer.from_pretrained(str(folder / "minilm_sst2"))
    recorded = TextExplainer(explainer.model, explainer.tokenizer, compile=True, padding="right")
    texts = sorted(sentences(folder)[:COUNT], key=len)
    embedding, rows = explainer.model.get_input_embeddings(), []
    for size in (16, 1):
        batches = [texts[start : start + size] for start in range(0, COUNT, size)]

        def predict(batches=batches) -> None:
            with torch.no_grad():
                for batch in batches:
                    encoded = explainer.tokenizer(batch, return_tensors="pt", padding=True)
                    explainer.model(**encoded).logits.softmax(-1).tolist()

        def differentiate(batches=batches) -> None:
            for batch in batches:
                encoded = explainer.tokenizer(batch, return_tensors="pt", padding=True)
                x = embedding(encoded.pop("input_ids")).detach().requires_grad_()
                score = explainer.model(inputs_embeds=x, **encoded).logits.amax(1).sum()
                (torch.autograd.grad(score, x)[0] * x).sum(-1).tolist()

        def explain(explainer=explainer, batches=batches) -> None:
            for batch in batches:
                explainer(batch if len(batch) > 1 else batch[0])

        runs = {"prediction": predict, "gradient x input": differentiate, "explanation": explain}
        runs["explanation, recorded before (compile=True)"] = partial(explain, recorded)
        explain(recorded)  # once more than the others: recordings are compared for the second inputs of each shape
        seconds = cpu_seconds(runs, ROUNDS)
        for name, values in seconds.items():
            ratio = median_ratio(values, seconds["prediction"])
            way = f"batches of {size}" if size > 1 else "one by one"
            speed = COUNT / statistics.median(values)
            rows.append({"texts": way, "what": name, "per CPU second": speed, "/ prediction": ratio})
    notes = f"MiniLM (6 layers), {COUNT} sentences; CPU time, medians over {ROUNDS} rounds in which all took turns."
    write("text_speed", "Cost of explaining sentences", rows, notes)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data" / "text")
