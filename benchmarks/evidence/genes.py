"""Do rankings of genes agree across cohorts, and stay faithful? ``python -m benchmarks.evidence.genes FOLDER``.

Breast cancer on three platforms (``breast_expos``, ``breast_nkis``, ``breast_vdxs``): receptor status, and grade in the
two that have it; both by mean relevance and by consistency, with two weight decays, over several seeds. The pairs of
cohorts on receptor status chose the settings that are the default for bulk; metastasis did not, nor did grade,
though its patients are the same.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad

from lrp_domains.genes import Training, agreement, areas, curves, rank, relevance, train

from ..measure import RESULTS, machine

SEEDS = 3
DECAYS = (0.01, 30.0)
ORDERS = ("mean", "consistency")
STUDIES = {
    "receptor status, three platforms": ("er", ("expos", "nkis", "vdxs")),
    "grade, two platforms": ("grade", ("expos", "nkis")),
    "receptor status, halves of expos": ("er", ("expos:0", "expos:1")),
    "receptor status, halves of vdxs": ("er", ("vdxs:0", "vdxs:1")),
    "receptor status, halves of nkis": ("er", ("nkis:0", "nkis:1")),
    "metastasis, halves of vdxs": ("e.dmfs", ("vdxs:0", "vdxs:1")),
}


def cohort(folder: Path, name: str, labels: str) -> AnnData:
    """Read a cohort, or one of its halves, with the patients whose label is known."""
    file, _, half = name.partition(":")
    adata = read_h5ad(folder / f"breast_{file}.h5ad")
    adata = adata[adata.obs[labels].notna()].copy()
    if labels == "grade":
        adata.obs["grade"] = np.where(adata.obs["grade"] == 3, "3", "1-2")
    adata.obs[labels] = adata.obs[labels].astype(str)
    if half:
        # Each label is divided equally.
        order = np.random.default_rng(0).permutation(adata.n_obs)
        order = order[np.argsort(adata.obs[labels].to_numpy()[order], kind="stable")]
        adata = adata[np.sort(order[int(half) :: 2])].copy()
    return adata


def study(folder: Path, labels: str, names: tuple[str, ...]) -> list[dict]:
    """Return one row per weight decay, order, seed and pair of cohorts, and one per cohort."""
    rows = []
    for decay in DECAYS:
        for seed in range(SEEDS):
            tables: dict[str, list[pd.DataFrame]] = {order: [] for order in ORDERS}
            for name in names:
                adata = cohort(folder, name, labels)
                settings = Training(seed=seed, weight_decay=decay)
                # z-scores, as values differ in scale between platforms.
                model = train(adata, labels, donor="index", normalisation="zscore", training=settings)
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Do rankings of genes agree across cohorts?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--study", action="append", choices=list(STUDIES))
    options = parser.parse_args()
    path = RESULTS / "evidence" / "genes.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = json.loads(path.read_text()) if path.exists() else {"studies": {}}
    for name in options.study or STUDIES:
        if name in record["studies"] and not options.study:
            continue
        rows = study(options.folder, *STUDIES[name])
        record["machine"] = machine()
        record["studies"][name] = {"rows": rows, "summary": summary(rows)}
        path.write_text(json.dumps(record, indent=1) + "\n")
        print(name, pd.DataFrame(summary(rows)).to_string(), sep="\n", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
