"""Cohorts whose labels are those of donors: dealt at random, or with planted genes."""

import numpy as np
import pandas as pd
from anndata import AnnData

from lrp_domains.genes import Training

TRAINING = Training(epochs=30)


def cells_of_donors(seed: int, *, planted: int = 0, genes: int = 200, donors: int = 20, cells: int = 15) -> AnnData:
    """Cells of donors, half of them cases; every gene has a level in each donor, planted ones a higher one in cases."""
    random = np.random.default_rng(seed)
    donor = np.repeat(np.arange(donors), cells)
    case = random.permutation(np.arange(donors) % 2)[donor] == 1
    rate = np.exp(random.normal(0, 1, genes) + random.normal(0, 0.3, (donors, genes))[donor])
    rate[:, :planted] *= np.where(case, 2.5, 1)[:, None]
    return AnnData(
        np.log1p(random.poisson(rate)).astype(np.float32),
        obs=pd.DataFrame(
            {"group": np.where(case, "case", "control"), "donor": [f"d{i}" for i in donor]},
            index=[f"c{i}" for i in range(len(donor))],
        ),
        var=pd.DataFrame({"linked": np.arange(genes) < planted}, index=[f"G{i}" for i in range(genes)]),
    )


def patients(seed: int, *, planted: int = 0, genes: int = 300, rows: int = 80, modules: int = 15) -> AnnData:
    """Patients whose genes vary in modules, as in tumours; four of them have planted genes, which are higher in cases.

    A gene of these modules is no false discovery: given the planted genes it tells about the case, by what it has in
    common with them. So ``var["linked"]`` marks all of them.
    """
    random = np.random.default_rng(seed)
    case = random.permutation(np.arange(rows) % 2) == 1
    module = random.integers(0, modules, genes)
    module[:planted] = np.arange(planted) % 4
    values = 0.8 * random.normal(0, 1, (rows, modules))[:, module] + 0.6 * random.normal(0, 1, (rows, genes))
    values[:, :planted] += case[:, None] * 1.0
    return AnnData(
        values.astype(np.float32),
        obs=pd.DataFrame({"group": np.where(case, "case", "control")}, index=[f"p{i}" for i in range(rows)]),
        var=pd.DataFrame({"linked": module < (4 if planted else 0)}, index=[f"G{i}" for i in range(genes)]),
    )
