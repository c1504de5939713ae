"""Small tables of ranked genes."""

import numpy as np
import pandas as pd


def ranked(cohort, scores, group="B", direction=None):
    """Rank genes by their scores: ``ranked("x", {"CD19": 3.0, "LYZ": -1.0})``."""
    table = pd.DataFrame({"gene": list(scores), "score": np.array(list(scores.values()), float)})
    table.insert(0, "group", group)
    table.insert(0, "cohort", cohort)
    table["direction"] = [(direction or {}).get(gene, 1) for gene in table["gene"]]
    table = table.sort_values("score", ascending=False, ignore_index=True)
    table.insert(3, "rank", np.arange(1, len(table) + 1))
    return table


def random_cohorts(genes=200, cohorts=4, shared=("s0", "s1", "s2"), seed=0):
    """Cohorts that agree on a few genes and on nothing else."""
    random = np.random.default_rng(seed)
    tables = []
    for number in range(cohorts):
        scores = {f"g{i}": random.normal() for i in range(genes)} | {gene: 5 + random.normal() for gene in shared}
        tables.append(ranked(f"c{number}", scores))
    return pd.concat(tables, ignore_index=True)
