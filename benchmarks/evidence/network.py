"""Are known drivers found? ``python -m benchmarks.evidence.network FOLDER``.

*Simulated regulation*: BEELINE's GSD data (Pratapa et al. 2020; ``FOLDER/beeline_gsd``: ``expression.csv`` and
``network.csv``): each gene is predicted from the others, and its regulators in the network are the truth.

*Drivers and bystanders*: made cells whose label depends on a few genes, each of which has bystanders that vary with it
and don't matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.stats import mannwhitneyu, spearmanr
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.preprocessing import StandardScaler

from lrp_domains.evaluation import auprc, mean_interval, paired_difference, precision_at
from lrp_domains.genes import Training, train
from lrp_domains.genes.evaluation import METHODS, draw

from .studies import run

AGAINST = "attn-lrp"
EXPLAINED = (
    "attn-lrp",
    "gamma",
    "secant",
    "secant-mean",
    "gradient",
    "integrated-gradients",
    "integrated-gradients-mean",
    "smooth-gradient",
    "gradient-shap",
    "kernel-shap",
    "occlusion",
    "random",
)
CELLS, SEEDS = 200, 6
TREES = 300
DRIVERS, BYSTANDERS, OTHERS, MADE_CELLS = 8, 4, 160, 600
Scores = dict[str, np.ndarray]


def scores_of_relevance(adata: AnnData, labels: str, *, task: str, seed: int) -> tuple[Scores, float]:
    """Return the mean magnitude of relevance per gene by each method, and the held-out performance."""
    model = train(adata, labels, task=task, training=Training(seed=seed))
    drawn = draw(adata, model, cells=CELLS, seed=seed)
    found = {name: np.abs(METHODS[name](drawn)).mean(0) for name in EXPLAINED}
    order = [list(drawn.genes).index(gene) for gene in adata.var_names]
    return {name: values[order] for name, values in found.items()}, float(model.held_out.value)


def regulation(folder: Path) -> Iterator[tuple[Scores, np.ndarray, float]]:
    """Predict each gene from the others; yield scores of these, which regulate it, and the correlation held out."""
    expression = pd.read_csv(folder / "beeline_gsd" / "expression.csv", index_col=0).T
    network = pd.read_csv(folder / "beeline_gsd" / "network.csv").query("Gene1 != Gene2")
    for gene in expression:
        others = expression.drop(columns=gene)
        truth = others.columns.isin(network.loc[network["Gene2"] == gene, "Gene1"])
        values, target = others.to_numpy(np.float32), expression[gene].to_numpy()
        adata = AnnData(values, obs=pd.DataFrame({"target": target}, index=others.index), var=others.columns.to_frame())
        found, performance = scores_of_relevance(adata, "target", task="value", seed=0)
        z = StandardScaler().fit_transform(values)
        found["correlation"] = np.abs([spearmanr(column, target).statistic for column in values.T])
        found["ridge regression"] = np.abs(RidgeCV().fit(z, target).coef_)
        # GENIE3 with extremely randomised trees (Huynh-Thu et al. 2010).
        trees = ExtraTreesRegressor(TREES, max_features="sqrt", random_state=0).fit(values, target)
        found["trees (GENIE3)"] = trees.feature_importances_
        yield found, truth, performance


def drivers(folder: Path) -> Iterator[tuple[Scores, np.ndarray, float]]:
    """Make cells and predict their labels; yield scores of genes, which are drivers, and the accuracy held out."""
    for seed in range(SEEDS):
        adata, truth = made(seed)
        found, performance = scores_of_relevance(adata, "label", task="classes", seed=seed)
        values, label = adata.X, (adata.obs["label"] == "b").to_numpy()
        z = StandardScaler().fit_transform(values)
        statistic = mannwhitneyu(values[label], values[~label]).statistic
        found["differential expression"] = np.abs(statistic - label.sum() * (~label).sum() / 2)
        found["logistic regression"] = np.abs(LogisticRegressionCV(Cs=5, max_iter=500).fit(z, label).coef_[0])
        trees = RandomForestClassifier(TREES, random_state=0).fit(values, label)
        found["trees (random forest)"] = trees.feature_importances_
        yield found, truth, performance


def made(seed: int) -> tuple[AnnData, np.ndarray]:
    """Return cells of counts whose label depends on the first genes: six add up, and two matter only together."""
    random = np.random.default_rng(seed)
    state = random.normal(size=(MADE_CELLS, DRIVERS))
    noise = random.normal(size=(MADE_CELLS, DRIVERS * BYSTANDERS))
    beside = 0.8 * np.repeat(state, BYSTANDERS, axis=1) + 0.6 * noise
    z = np.hstack([state, beside, random.normal(size=(MADE_CELLS, OTHERS))])
    score = state[:, :6] @ np.tile([1.0, -1.0], 3) + 2 * ((state[:, 6] > 0) & (state[:, 7] > 0)) - 0.5
    label = random.random(MADE_CELLS) < 1 / (1 + np.exp(-2 * score))
    level = random.uniform(0, 2, z.shape[1])
    counts = np.log1p(random.poisson(np.exp(level + 0.7 * z))).astype(np.float32)
    names = [f"gene {number}" for number in range(z.shape[1])]
    obs = pd.DataFrame({"label": np.where(label, "b", "a")}, index=[f"cell {number}" for number in range(MADE_CELLS)])
    return AnnData(counts, obs=obs, var=pd.DataFrame(index=names)), np.arange(len(names)) < DRIVERS


STUDIES: dict[str, tuple[Callable[[Path], Iterator[tuple[Scores, np.ndarray, float]]], str, str]] = {
    "regulation": (regulation, "Regulators in simulated regulation (GSD, 19 genes)", "gene"),
    "drivers": (drivers, f"{DRIVERS} drivers, each with {BYSTANDERS} bystanders, among 200 genes", "made cohort"),
}


def measure(name: str, folder: Path) -> dict:
    """Measure how well each method's order of genes finds the truth."""
    study, title, sample = STUDIES[name]
    results = list(study(folder))
    truths = [truth for _, truth, _ in results]
    rows, values = [], {}
    for method in results[0][0]:
        of = [(scores[method], truth) for scores, truth, _ in results]
        values[method] = {
            "AUPRC": np.array([auprc(*pair) for pair in of]),
            "precision": np.array([precision_at(*pair) for pair in of]),
        }
    for method, measures in values.items():
        row = {"method": method}
        for key, found in measures.items():
            mean, difference = mean_interval(found), paired_difference(found, values[AGAINST][key])
            best = max(values, key=lambda other: np.nanmean(values[other][key]))
            to_best = paired_difference(found, values[best][key])
            row[key] = {
                "mean": mean.mean, "low": mean.low, "high": mean.high, "difference": difference.mean,
                "difference_low": difference.low, "difference_high": difference.high,
                "best": method == best or to_best.low <= 0 <= to_best.high,
            }  # fmt: skip
        rows.append(row)
    return {
        "title": title,
        "samples": len(results),
        "sample": sample,
        "true": float(np.mean([truth.mean() for truth in truths])),
        "measure": {"regulation": "rank correlation", "drivers": "balanced accuracy"}[name],
        "performance": float(np.mean([performance for _, _, performance in results])),
        "rows": rows,
    }


if __name__ == "__main__":
    run("network", STUDIES, measure, "Are known drivers found?")
