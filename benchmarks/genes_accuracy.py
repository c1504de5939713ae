"""Held-out accuracy of the built-in network beside logistic regression, on the same folds of public cohorts.

    python -m benchmarks.genes_accuracy FOLDER

reads the ``.h5ad`` files of `SUBJECTS` in a folder, and writes ``benchmarks/results/genes_accuracy.md``. Two made
cohorts and the one that comes with scanpy require no file; without a folder only these are measured, and printed.
"""

import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lrp_domains.genes import GeneModel, demo_cohort, train
from lrp_domains.genes.cohorts.values.expression import expects_all, expression_of

from .measure import write

SEEDS = 3


@dataclass(frozen=True)
class Subject:
    """A cohort and what is learnt of it: the file, the column, and how its values are read."""

    file: str
    labels: str
    normalisation: str = "log"
    donor: str | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.file} `{self.labels}`" + (f", by {self.donor}" if self.donor == "donor" else "")


SUBJECTS = (
    *(
        Subject(f"breast_{cohort}", labels, normalisation=normalisation, donor="index")
        for cohort, normalisation in (("expos", "log"), ("vdxs", "log"), ("nkis", "centred"))
        for labels in ("er", "grade")
    ),
    Subject("pancreas_xin", "cell_type"),
    Subject("pancreas_wang", "cell_type"),
    Subject("headneck_puram_180", "cell_type"),
    Subject("kang18_pbmc_ifnb", "cell_type", normalisation="log1p_cp10k"),
    Subject("kang18_pbmc_ifnb", "cell_type", normalisation="log1p_cp10k", donor="donor"),
    Subject("kang18_pbmc_ifnb", "stim", normalisation="log1p_cp10k"),
    Subject("kang18_pbmc_ifnb", "stim", normalisation="log1p_cp10k", donor="donor"),
)
MADE = (
    Subject("made_60_x_5000", "group", donor="index"),
    Subject("made_72_x_7129", "group", donor="index"),
    Subject("pbmc68k_reduced", "bulk_labels"),
)


def main() -> None:
    """Compare on every cohort, over several seeds."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    rows = [row for subject in MADE + (SUBJECTS if folder else ()) for row in compared(subject, folder)]
    if folder is None:
        print(pd.DataFrame(rows).to_string(index=False))
        return
    notes = (
        f"Balanced accuracy of held-out rows, the mean of the folds and of {SEEDS} seeds; rows x genes. Logistic "
        "regression is scikit-learn's, with balanced classes, on z-scores that are fitted in the fold. Its "
        "rows to learn from include those on which networks stop early. Seconds: CPU time of `train`, of all folds."
    )
    write("genes_accuracy", "Held-out accuracy beside logistic regression", rows, notes)


def compared(subject: Subject, folder: Path | None) -> Iterator[dict[str, str | float]]:
    """Train networks and logistic regression on the same folds."""
    adata = cohort_of(subject, folder)
    networks, regression, seconds = [], [], []
    for seed in range(SEEDS):
        before = time.process_time()
        model = train(
            adata,
            subject.labels,
            donor=subject.donor,
            normalisation=subject.normalisation,
            training=settings(seed),
        )
        seconds.append(time.process_time() - before)
        networks.append(model.performance["held_out_balanced_accuracy"].mean())
        regression.append(accuracy_of_regression(adata, subject, model))
    yield {
        "cohort": subject.name,
        "rows x genes": f"{adata.n_obs} x {adata.n_vars}",
        "classes": str(adata.obs[subject.labels].nunique()),
        "networks": float(np.mean(networks)),
        "logistic regression": float(np.mean(regression)),
        "difference": float(np.mean(networks) - np.mean(regression)),
        "seconds": float(np.mean(seconds)),
    }


def settings(seed: int):
    """Return the settings of a training: the defaults."""
    from lrp_domains.genes import Training

    return Training(seed=seed)


def accuracy_of_regression(adata: AnnData, subject: Subject, model: GeneModel) -> float:
    """Return the mean balanced accuracy of logistic regression over the folds of a trained model."""
    expects = expects_all(adata, normalisation=subject.normalisation)
    values = expression_of(adata, expects).chunk(0, adata.n_obs).values
    values = values.toarray() if hasattr(values, "toarray") else values
    labels = adata.obs[subject.labels].astype(str).to_numpy()
    accuracies = []
    folds = np.asarray(model.folds)
    for fold in np.unique(folds):
        held_out = folds == fold
        regression = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
        regression.fit(values[~held_out], labels[~held_out])
        accuracies.append(balanced_accuracy_score(labels[held_out], regression.predict(values[held_out])))
    return float(np.mean(accuracies))


def cohort_of(subject: Subject, folder: Path | None) -> AnnData:
    """Read or make a cohort, without rows that have no label or belong to a group of fewer cells than folds."""
    if subject.file == "pbmc68k_reduced":
        return demo_cohort()
    if subject.file == "made_60_x_5000":
        return made_log2(rows=60, genes=5000, marked=200, effect=1.5)
    if subject.file == "made_72_x_7129":
        return made_log2(rows=72, genes=7129, marked=150, effect=0.6)
    adata = read_h5ad(folder / f"{subject.file}.h5ad")
    adata = adata[adata.obs[subject.labels].notna()].copy()
    if subject.labels == "grade":
        adata.obs["grade"] = np.where(adata.obs["grade"] == 3, "3", "1-2")
    sizes = adata.obs[subject.labels].value_counts()
    return adata[adata.obs[subject.labels].isin(sizes.index[sizes >= 5])].copy()


def made_log2(*, rows: int, genes: int, marked: int, effect: float) -> AnnData:
    """Make a microarray of log2 intensities, all far from zero; the first `marked` genes differ by `effect`."""
    random = np.random.default_rng(0)
    group = np.arange(rows) % 2
    values = random.uniform(6, 13, genes) + random.normal(0, 0.7, (rows, genes))
    values[group == 1, :marked] += effect
    return AnnData(
        values.astype(np.float32),
        obs=pd.DataFrame({"group": np.where(group, "AML", "ALL")}, index=[f"patient_{i}" for i in range(rows)]),
        var=pd.DataFrame(index=[f"gene_{i}" for i in range(genes)]),
    )


if __name__ == "__main__":
    main()
