"""Consensus, agreement and report of 300 cohorts: ``python -m benchmarks.genes_consensus``.

``python -m benchmarks.genes_consensus PART FOLDER`` measures one part in a separate process. The cohorts (2.5 GB) are
made in a temporary folder, which is removed afterwards.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from anndata import AnnData

from lrp_domains.command_line import app
from lrp_domains.genes import gene_model, rank, relevance
from lrp_domains.genes.rankings.tables import write_by_group

from .measure import in_own_process, peak_mb, write

COHORTS, GROUPS, GENES, SHARED = 300, 8, 20_000, 20
NAMES = np.array([f"GENE{number:05}" for number in range(GENES)])
CELLS = 200


def make(folder: Path) -> None:
    """Write the results of all cohorts: one that is explained, and its tables with other scores for each."""
    import torch

    random = np.random.default_rng(0)
    groups = [f"group {number}" for number in range(GROUPS)]
    adata = AnnData(
        random.poisson(0.1, (CELLS, GENES)).astype(np.float32),
        obs=pd.DataFrame(
            {"group": pd.Categorical(np.array(groups)[np.arange(CELLS) % GROUPS])},
            index=[f"c{i}" for i in range(CELLS)],
        ),
        var=pd.DataFrame(index=NAMES),
    )
    network = torch.nn.Linear(GENES, GROUPS)
    model = gene_model(network, NAMES, groups, labels="group")
    relevance(adata, model, layer=None, target="labelled")
    table = rank(adata, wilcoxon=False)
    without_matrix = AnnData(obs=adata.obs, var=adata.var, uns=dict(adata.uns))

    for number in range(COHORTS):
        cohort = folder / f"cohort{number:03}"
        cohort.mkdir()
        write_by_group(_other_scores(table, f"cohort{number:03}", random), cohort / "genes.parquet")
        if number == 0:
            without_matrix.write_h5ad(cohort / "explained.h5ad")
        else:
            (cohort / "explained.h5ad").hardlink_to(folder / "cohort000" / "explained.h5ad")


def _other_scores(table: pd.DataFrame, cohort: str, random: np.random.Generator) -> pd.DataFrame:
    """Draw scores; each group has its planted genes, which all cohorts share, and every tenth cohort lacks genes."""
    score = random.normal(size=len(table)).astype(float)
    group = pd.factorize(table["group"])[0]
    gene = table["gene"].str[4:].astype(int).to_numpy()
    planted = gene // SHARED == group
    score[planted] += 6
    table = table.assign(cohort=cohort, score=score, de_score=score + random.normal(size=len(table)))
    table["direction"] = np.where(planted | (random.random(len(table)) < 0.5), 1, -1)
    if int(cohort[-3:]) % 10 == 0:
        table = table[planted | (gene % 10 != int(cohort[-3:-1]) % 10)]
    table = table.sort_values(["group", "score"], ascending=[True, False])
    return table.assign(rank=table.groupby("group").cumcount() + 1)


def consensus(folder: Path) -> dict[str, float]:
    """Aggregate all cohorts, and return the share of planted genes that lead."""
    tables = sorted(map(str, folder.glob("*/genes.parquet")))
    out = ["--out", str(folder / "consensus.tsv"), "--agreement", str(folder / "agreement.tsv")]
    measured = _measured(["genes", "consensus", *tables, *out])
    table = pd.read_csv(folder / "consensus.tsv", sep="\t", usecols=["group", "gene", "rank"])
    leading = table[table["rank"] <= SHARED]
    group = leading["group"].str[6:].astype(int)
    return measured | {"planted": float((leading["gene"].str[4:].astype(int) // SHARED == group).mean())}


def index(folder: Path) -> dict[str, float]:
    """Write the index without pages."""
    cohorts = sorted(str(path.parent) for path in folder.glob("*/genes.parquet"))
    tables = [f"--{name}={folder / name}.tsv" for name in ("consensus", "agreement")]
    out = folder / "report.html"
    measured = _measured(["genes", "report", *cohorts, *tables, "--no-pages", "--out", str(out)])
    return measured | {"megabytes": out.stat().st_size / 2**20}


def page(folder: Path) -> dict[str, float]:
    """Write the page of one cohort."""
    out = folder / "cohort001" / "report.html"
    measured = _measured(["genes", "page", str(folder / "cohort001"), "--out", str(out)])
    return measured | {"megabytes": out.stat().st_size / 2**20}


def _measured(arguments: list[str]) -> dict[str, float]:
    before = time.process_time()
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        app(arguments, standalone_mode=False)
    return {"seconds": time.process_time() - before, "peak": peak_mb()}


PARTS = {"consensus": consensus, "index": index, "page": page}


def main() -> None:
    with TemporaryDirectory() as name:
        make(Path(name))
        measured = {part: in_own_process("benchmarks.genes_consensus", part, name, sparing=False) for part in PARTS}
    words = {
        "consensus": "consensus and agreement",
        "index": "index of all cohorts",
        "page": "page of one cohort, without single cells",
    }
    rows = [
        {
            "task": words[part],
            "CPU s": numbers["seconds"],
            "peak memory, MB": numbers["peak"],
            "page, MB": numbers.get("megabytes", ""),
        }
        for part, numbers in measured.items()
    ]
    pairs = GROUPS * COHORTS * (COHORTS - 1) // 2
    write(
        "genes_consensus",
        "Many cohorts",
        rows,
        f"{COHORTS} cohorts of {GROUPS} groups x {GENES:,} genes; every tenth lacks a tenth of the genes. Agreement is "
        f"of {pairs:,} pairs of rankings, by relevance and by differential expression. Of the top {SHARED} genes of "
        f"each group {measured['consensus']['planted']:.0%} are those that were planted in all cohorts.",
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(PARTS[sys.argv[1]](Path(sys.argv[2]))))
    else:
        main()
