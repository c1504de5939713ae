"""Transformers over genes and their values, in the manner of scGPT (Cui et al. 2024, Nature Methods 21:1470)."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lrp_domains import capture
from lrp_domains.domain import Read
from lrp_domains.genes import gene_model

from .counts_of_two_groups import CLASSES, GENES, cohort, explained, fit, leading


class GeneEncoder(nn.Module):
    def __init__(self, genes, width):
        super().__init__()
        self.embedding, self.norm = nn.Embedding(genes + 1, width), nn.LayerNorm(width)

    def forward(self, ids):
        return self.norm(self.embedding(ids))


class ValueEncoder(nn.Module):
    def __init__(self, width, highest=512):
        super().__init__()
        self.linear1, self.linear2, self.norm = nn.Linear(1, width), nn.Linear(width, width), nn.LayerNorm(width)
        self.highest = highest

    def forward(self, values):
        values = torch.clamp(values[..., None], max=self.highest)
        return self.norm(self.linear2(torch.relu(self.linear1(values))))


class DomainBatchNorm(nn.Module):
    """A separate batch norm for each batch label."""

    def __init__(self, width, domains=2):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm1d(width, eps=6.1e-5) for _ in range(domains))

    def forward(self, x, label):
        return self.norms[label](x)


class ValueTransformer(nn.Module):
    """Cells as genes with values: ``forward(ids, values, padding)``, a <cls> token of value 0 first."""

    def __init__(self, genes=30, width=16, style="continuous", domains=False):
        super().__init__()
        self.genes, self.style = GeneEncoder(genes, width), style
        self.values = ValueEncoder(width) if style == "continuous" else nn.Identity()
        self.domains = DomainBatchNorm(width) if domains else None
        layer = nn.TransformerEncoderLayer(width, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.decoder = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width),
            nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width), nn.Linear(width, 2),
        )  # fmt: skip

    def forward(self, ids, values, padding, batch_labels=None):
        genes, values = self.genes(ids), self.values(values)
        x = genes * values[..., None] if self.style == "scaling" else genes + values
        if self.domains is not None:
            x = self.domains(x.permute(0, 2, 1), int(batch_labels[0].item())).permute(0, 2, 1)
        return self.decoder(self.encoder(x, src_key_padding_mask=padding)[:, 0])


def read_values(network, values):
    """Run the network on every gene as a token of its id and its value; those that are not expressed are padding.

    A gene's relevance is that of its embedding, which marks its presence, plus that of its value's. The <cls>
    token is not a gene.
    """
    cells, genes = values.shape
    ids = torch.arange(genes + 1, device=values.device).expand(cells, -1)
    padded = nn.functional.pad(values, (1, 0), value=1.0).requires_grad_()
    padding = padded == 0
    with capture(network, "genes", "values") as kept:
        outputs = network(ids, padded, padding, torch.zeros(cells))
    sources = (padded,) if network.style == "scaling" else tuple(kept.values())
    return Read(outputs, sources, lambda result: sum(r if r.ndim == 2 else r.sum(-1) for r in result)[:, 1:])


VARIANTS = [{}, {"domains": True}, {"style": "scaling"}]


@pytest.mark.parametrize("variant", VARIANTS, ids=["continuous", "domains", "scaling"])
def test_a_transformer_over_values_uses_the_marker_and_conserves_relevance(variant):
    adata = cohort(160)
    values = torch.log1p(torch.tensor(adata.X.toarray()))
    network = ValueTransformer(**variant).double()
    network = fit(network, lambda net: read_values(net, values).outputs, adata, steps=80)
    test = cohort(60, seed=1)
    test.X = test.X.log1p()
    model = gene_model(network, GENES, CLASSES, labels="group", reading=read_values)
    assert leading(test, model) == "g7"
    result = explained(test, model)
    assert not result[test.X.toarray() == 0].any()
    account = test.uns["lrp"]
    assert abs(account["ledger_residue"]) < 1e-9 * max(abs(account["ledger_score"]), abs(account["ledger_genes"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(explained(test, model, batch_size=7), result, rtol=1e-5, atol=1e-8)
