"""scvi-tools' SCANVI, unmodified: log1p inside, batch norm, an encoder, a classifier on its mean."""

import logging
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from lrp_domains import ATTN_LRP, CP_LRP
from lrp_domains.genes import gene_model, made_cohort, rank, relevance

pytestmark = pytest.mark.slow


class Classify(nn.Module):
    """All that SCANVI's module needs beside counts: a batch for every cell."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, counts):
        return self.module.classify(counts, batch_index=torch.zeros(len(counts), 1, dtype=torch.long))


@pytest.fixture(scope="module")
def trained():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scvi = pytest.importorskip("scvi")
        logging.getLogger("scvi").setLevel(logging.ERROR)
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        adata = made_cohort(cells=240)
        random = np.random.default_rng(0)
        means = np.full(adata.shape, 0.5)
        for number in range(3):
            cells = adata.obs["group"].cat.codes.to_numpy() == number
            means[np.ix_(cells, range(3 * number, 3 * number + 3))] = 6.0
        adata.X = sparse.csr_matrix(random.poisson(means).astype(np.float32))
        adata.obs["batch"] = ["a", "b"] * 120
        scvi.settings.seed = 0
        scvi.model.SCVI.setup_anndata(adata, batch_key="batch", labels_key="group")
        options = {"enable_progress_bar": False, "accelerator": "cpu", "logger": False}
        vae = scvi.model.SCVI(adata, n_hidden=16, n_latent=4)
        vae.train(max_epochs=20, **options)
        model = scvi.model.SCANVI.from_scvi_model(vae, unlabeled_category="unknown")
        model.train(max_epochs=30, **options)
    classes = [str(one) for one in model.adata_manager.get_state_registry("labels").categorical_mapping][:3]
    return adata, model, classes


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=lambda rules: rules.name)
def test_scanvi_is_explained_unmodified(trained, rules):
    adata, model, classes = trained
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    counts = gene_model(Classify(model.module), adata.var_names, classes, normalisation="counts", labels="group")
    relevance(adata, counts, rules=rules, target="labelled")
    books = adata.uns["lrp"]
    assert abs(books["ledger_residue"]) < 1e-4 * abs(books["ledger_score"])
    assert not adata.layers["lrp"].toarray()[adata.X.toarray() == 0].any()
    table = rank(adata)
    for number, group in enumerate(adata.obs["group"].cat.categories, 1):
        first = table[table["group"] == group].head(2)["gene"]
        assert {gene[:2] for gene in first} == {f"g{number}"}
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    predicted = model.predict(adata)
    assert (adata.obs["lrp_predicted"].astype(str) == np.asarray(predicted).astype(str)).all()
