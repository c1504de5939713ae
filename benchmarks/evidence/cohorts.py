"""The cohorts of patients whose genes are ranked, of files in one folder.

Beside ``breast_{expos,nkis,vdxs}.h5ad`` (genefu: expO, NKI, VDX) they are two of other patients, which no setting was
chosen on: ``breast_cancer_GSE7390-metastasis.arff``, as in scikit-survival (TRANSBIG, Desmedt et al. 2007: 198
patients, the 76 probes of a signature), and ``ALL.rda``, as in Bioconductor's package ALL (Chiaretti et al. 2004: 128
leukaemias; read by the package rdata).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from scipy.io import arff

TRANSBIG, LEUKAEMIA = "breast_cancer_GSE7390-metastasis.arff", "ALL.rda"
PROBES = 1000


def cohort(folder: Path, name: str, labels: str, *, split: int = 0) -> AnnData:
    """Read a cohort, or one of its halves, with the patients whose label is known.

    Parameters
    ----------
    folder
        Where its file is.
    name
        Of a cohort, or of a half of it, as ``"expos:0"``.
    labels
        The column of ``obs`` that is learnt.
    split
        Fixes which patients are in which half.
    """
    of, _, half = name.partition(":")
    adata = READ[of](folder) if of in READ else _breast(folder, of)
    adata = adata[adata.obs[labels].notna()].copy()
    adata.obs[labels] = adata.obs[labels].astype(str)
    if half:
        # Each label is divided equally.
        order = np.random.default_rng(split).permutation(adata.n_obs)
        order = order[np.argsort(adata.obs[labels].to_numpy()[order], kind="stable")]
        adata = adata[np.sort(order[int(half) :: 2])].copy()
    return adata


def _breast(folder: Path, name: str) -> AnnData:
    adata = read_h5ad(folder / f"breast_{name}.h5ad")
    grade = adata.obs["grade"]
    adata.obs["grade"] = np.where(grade.isna(), None, np.where(grade == 3, "3", "1-2"))
    return adata


def _transbig(folder: Path) -> AnnData:
    table = pd.DataFrame(arff.loadarff(folder / TRANSBIG)[0])
    probes = [name for name in table if name[:2] == "X2"]
    grade = table["grade"].str.decode("ascii").map(
        {"poorly differentiated": "3", "intermediate": "1-2", "well differentiated": "1-2"}
    )  # fmt: skip
    obs = pd.DataFrame({"er": table["er"].str.decode("ascii"), "grade": grade})
    return _of_probes(table[probes].to_numpy(), obs, [name[1:] for name in probes])


@cache
def _leukaemia(folder: Path) -> AnnData:
    """Read the leukaemias: their lineage and, of B cells, whether BCR and ABL are fused; the probes that vary most."""
    import rdata
    from rdata.conversion import SimpleConverter

    class Converter(SimpleConverter):
        """Converts promises, which the package refuses, to their values."""

        def _convert_next(self, value):
            is_promise = getattr(value, "info", None) and value.info.type == rdata.parser.RObjectType.PROM
            return super()._convert_next(value.value[0] if is_promise else value)

    data = Converter().convert(rdata.parser.parse_file(folder / LEUKAEMIA))["ALL"]
    expression = data.assayData.frame["exprs"]
    values = np.asarray(expression).T
    most = np.sort(np.argsort(-values.var(0), kind="stable")[:PROBES])
    patients = data.phenoData.data
    lineage = patients["BT"].astype(str).str[0]
    fused = patients["mol.biol"].astype(str).where(lineage == "B").map({"BCR/ABL": "BCR/ABL", "NEG": "no fusion"})
    obs = pd.DataFrame({"lineage": lineage.to_numpy(), "fusion": fused.to_numpy()})
    return _of_probes(values[:, most], obs, list(np.asarray(expression["dim_0"])[most]))


def _of_probes(values: np.ndarray, obs: pd.DataFrame, probes: list[str]) -> AnnData:
    obs.index = [f"patient {number}" for number in range(len(obs))]
    return AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=probes))


READ = {"transbig": _transbig, "leukaemia": _leukaemia}
