"""The classifier of scvi-tools' SCANVI (Xu et al. 2021, Mol Syst Biol 17:e9620), explained from its module."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, capture
from lrp_domains import relevance as core_relevance
from lrp_domains.domain import Read
from lrp_domains.genes import CohortError, gene_model, relevance

from .counts_of_two_groups import GENES, cohort, leading

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # what scvi-tools warns of is not ours


def with_batches(cells, seed=0):
    adata = cohort(cells, seed=seed)
    adata.layers["counts"] = adata.X.copy()
    adata.obs["batch"] = pd.Categorical(np.where(np.arange(cells) % 3 == 0, "first", "second"))
    return adata


def scanvi(adata, **settings):
    """A small SCANVI and the names of its classes."""
    scvi = pytest.importorskip("scvi", reason="scvi-tools is not installed")
    scvi.settings.seed = 0
    scvi.settings.verbosity = 40
    scvi.model.SCANVI.setup_anndata(
        adata, labels_key="group", unlabeled_category="Unknown", layer="counts", batch_key="batch"
    )
    made = scvi.model.SCANVI(adata, n_hidden=16, n_latent=5, **settings)
    names = made.adata_manager.get_state_registry("labels").categorical_mapping
    return made, [name for name in names if name != "Unknown"]


def read_scanvi(module, values):
    """Run the classifier on counts, of cells of the first batch."""
    x = values.detach().requires_grad_()
    batch = torch.zeros(len(x), 1, dtype=torch.long, device=x.device)
    return Read(module.classify(x, batch_index=batch), (x,), lambda relevances: relevances[0])


def model_of(module, classes):
    return gene_model(
        module, GENES, classes, layer="counts", normalisation="counts", labels="group", reading=read_scanvi
    )


@pytest.fixture(scope="module")
def trained():
    made, classes = scanvi(with_batches(300))
    made.train(
        max_epochs=60, batch_size=64, accelerator="cpu", enable_progress_bar=False, logger=False,
        enable_checkpointing=False,
    )  # fmt: skip
    return made, classes


@pytest.mark.parametrize("rules", [CP_LRP, ATTN_LRP], ids=lambda rules: rules.name)
def test_the_planted_marker_leads_and_relevance_is_conserved(trained, rules):
    made, classes = trained
    assert classes == ["low", "high"]
    model = model_of(copy.deepcopy(made.module).double(), classes)
    adata = with_batches(90, seed=1)
    assert leading(adata, model) == "g7"
    relevance(adata, model, target="labelled", rules=rules)
    assert (adata.obs["lrp_predicted"] == adata.obs["group"]).mean() > 0.85
    account = adata.uns["lrp"]
    assert abs(account["ledger_residue"]) < 1e-9 * abs(account["ledger_genes"])
    result = adata.layers["lrp"].toarray()
    assert not result[adata.layers["counts"].toarray() == 0].any()  # log1p(0) is 0
    assert (adata.obs["lrp_predicted"].astype(str) == made.predict(adata).astype(str)).all()


def test_the_module_is_left_as_it_was(trained):
    made, classes = trained
    module = made.module
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.train()
    with pytest.raises(CohortError, match=r"in training mode .*call model.eval"):
        relevance(with_batches(20), model_of(module, classes))
    assert module.training
    relevance(with_batches(20), model_of(module.eval(), classes))
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_the_relevance_of_covariates_is_the_residue():
    """One-hot batches are constants that autograd doesn't keep: what they add is in the residue, not in a leaf."""
    made, classes = scanvi(with_batches(60), encode_covariates=True)
    module = made.module.double().eval()
    module.requires_grad_(True)
    adata = with_batches(60)
    relevance(adata, model_of(module, classes), rules=CP_LRP, score="logit", target="high")
    x = torch.tensor(adata.X.toarray())
    first = "z_encoder.encoder.fc_layers.Layer 0.0"
    with capture(module, first) as kept:
        score = module.classify(x, batch_index=torch.zeros(60, 1, dtype=torch.long))[:, classes.index("high")]
    (z,) = kept.values()
    of_z = core_relevance(score, z, rules=CP_LRP)
    linear = module.get_submodule(first)
    assert linear.weight.shape[1] == len(GENES) + 2
    of_batch = (of_z / z.detach() * linear.weight[:, len(GENES)]).sum().item()
    assert of_batch != 0
    assert adata.uns["lrp"]["ledger_residue"] == pytest.approx(of_batch, rel=1e-9)
