"""Do rankings of genes agree across cohorts, and stay faithful? ``python -m benchmarks.evidence.genes FOLDER``.

Patients of FOLDER (see `cohorts`), ranked by mean relevance and by consistency, with two weight decays, over several
seeds. The cohorts of breast cancer on three platforms chose the settings that are the default for bulk, by receptor
status; other questions did not, though their patients are the same; other patients did in no way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lrp_domains.genes import Training, agreement, areas, curves, rank, relevance, train

from .cohorts import cohort
from .studies import run

SEEDS = 3
DECAYS = (0.01, 30.0)
ORDERS = ("mean", "consistency")
CHOSEN, SAME, OTHER = "chosen on", "same patients, another question", "other patients"


@dataclass(frozen=True)
class Study:
    """Cohorts that are asked the same question.

    Attributes
    ----------
    labels
        The column of ``obs`` that is learnt.
    cohorts
        Their names, or those of halves; see `cohort`.
    seen
        Whether the defaults were chosen on them.
    resplit
        Whether each seed divides a cohort anew.
    """

    labels: str
    cohorts: tuple[str, ...]
    seen: str
    resplit: bool = False


def _halves(name: str, labels: str, seen: str = OTHER, *, resplit: bool = True) -> Study:
    return Study(labels, (f"{name}:0", f"{name}:1"), seen, resplit)


STUDIES = {
    "receptor status, three platforms": Study("er", ("expos", "nkis", "vdxs"), CHOSEN),
    "grade, two platforms": Study("grade", ("expos", "nkis"), SAME),
    "receptor status, halves of expos": _halves("expos", "er", CHOSEN, resplit=False),
    "receptor status, halves of vdxs": _halves("vdxs", "er", CHOSEN, resplit=False),
    "receptor status, halves of nkis": _halves("nkis", "er", CHOSEN, resplit=False),
    "metastasis, halves of vdxs": _halves("vdxs", "e.dmfs", SAME, resplit=False),
    "receptor status, halves of TRANSBIG": _halves("transbig", "er"),
    "grade, halves of TRANSBIG": _halves("transbig", "grade"),
    "lineage, halves of leukaemias": _halves("leukaemia", "lineage"),
    "BCR/ABL, halves of leukaemias": _halves("leukaemia", "fusion"),
    "HER2, halves of expos": _halves("expos", "her2", SAME),
    "progesterone receptor, halves of expos": _halves("expos", "pgr", SAME),
}


def measure(folder: Path, study: Study) -> list[dict]:
    """Return one row per weight decay, order, seed and pair of cohorts, and one per cohort."""
    rows = []
    for decay in DECAYS:
        for seed in range(SEEDS):
            tables: dict[str, list[pd.DataFrame]] = {order: [] for order in ORDERS}
            for name in study.cohorts:
                adata = cohort(folder, name, study.labels, split=seed if study.resplit else 0)
                settings = Training(seed=seed, weight_decay=decay)
                # z-scores, as values differ in scale between platforms.
                model = train(adata, study.labels, donor="index", normalisation="zscore", training=settings)
                relevance(adata, model, donor="index")
                accuracy = float(model.performance["held_out_balanced_accuracy"].mean())
                for order in ORDERS:
                    table = rank(adata, cohort=name, order=order)
                    tables[order].append(table)
                    area = areas(curves(adata, model, table, cells=80, points=9, orders=("relevance", "differential")))
                    of = area.groupby("order")[["deletion", "insertion"]].mean()
                    rows.append(
                        {"what": "cohort", "decay": decay, "seed": seed, "order": order, "cohort": name}
                        | {"accuracy": accuracy, "deletion": of.loc["relevance", "deletion"]}
                        | {"deletion of differential": of.loc["differential", "deletion"]}
                    )
            for order in ORDERS:
                found = agreement(pd.concat(tables[order], ignore_index=True))
                for pair in found.itertuples():
                    rows.append(
                        {"what": "pair", "decay": decay, "seed": seed, "order": order, "group": pair.group}
                        | {"cohort": f"{pair.cohort_a} {pair.cohort_b}", "jaccard": pair.jaccard}
                        | {"spearman": pair.spearman, "rbo": pair.rbo}
                        | {"jaccard of differential": pair.de_jaccard, "spearman of differential": pair.de_spearman}
                    )
    return rows


def summary(rows: list[dict]) -> list[dict]:
    """Return one row per weight decay and order: agreement by group, faithfulness and accuracy."""
    frame, found = pd.DataFrame(rows), []
    for decay, order in [(decay, order) for decay in DECAYS for order in ORDERS]:
        of = frame[(frame["decay"] == decay) & (frame["order"] == order)]
        row = {"weight decay": decay, "order": order}
        for group, pairs in of[of["what"] == "pair"].groupby("group"):
            by_seed = pairs.groupby("seed")["jaccard"].mean()
            row[f"Jaccard, {group}"] = f"{by_seed.mean():.3f} ± {by_seed.std(ddof=1) / np.sqrt(len(by_seed)):.3f}"
            row[f"differential expression, {group}"] = f"{pairs['jaccard of differential'].mean():.3f}"
        cohorts = of[of["what"] == "cohort"]
        row["Spearman"] = f"{of['spearman'].mean():.3f}"
        row["deletion"] = f"{cohorts['deletion'].mean():.4f}"
        row["deletion, differential expression"] = f"{cohorts['deletion of differential'].mean():.4f}"
        row["balanced accuracy"] = f"{cohorts['accuracy'].mean():.3f}"
        found.append(row)
    return found


def record(name: str, folder: Path) -> dict:
    """Return the rows of a study, and their summary."""
    rows = measure(folder, STUDIES[name])
    return {"rows": rows, "summary": summary(rows)}


if __name__ == "__main__":
    run("genes", STUDIES, record, "Do rankings of genes agree across cohorts?")
