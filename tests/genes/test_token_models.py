"""Transformers over ranked genes, in the manner of Geneformer (Theodoris et al. 2023, Nature 618:616)."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy import sparse
from torch import nn
from transformers import (
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from lrp_domains import ATTN_LRP, CP_LRP, capture
from lrp_domains import relevance as core_relevance
from lrp_domains.genes import CohortError, genes_of_neuron, latent_relevance, relevance

from .counts_of_two_groups import GENES, cohort, explained, fit, leading
from .token_models import DICTIONARY, SIZES, SMALL, bert, model_of, tokens


def planted_bert(gene="g7") -> nn.Module:
    """A network that can only see one gene: no other token, and no position, has an embedding."""
    network = bert()
    embeddings = network.bert.embeddings
    with torch.no_grad():
        for table in (embeddings.word_embeddings, embeddings.position_embeddings, embeddings.token_type_embeddings):
            table.weight.zero_()
        embeddings.word_embeddings.weight[DICTIONARY[gene]] = torch.randn(16, dtype=torch.float64)
    return network


@pytest.mark.parametrize("special", [True, False])
def test_the_only_gene_that_a_network_sees_has_all_relevance(special):
    reading = tokens() if special else tokens(first=None, last=None)
    adata = cohort()
    result = explained(adata, model_of(planted_bert(), reading))
    seen = adata.X.toarray()[:, 7] > 0
    assert (result[seen, 7] != 0).any() and not result[~seen].any()
    assert not np.delete(result, 7, axis=1).any()


@pytest.mark.parametrize("reading", [tokens(), tokens(first=None, last=None), tokens(first=None)])
def test_relevance_is_conserved_and_absent_genes_have_none(reading):
    adata = cohort()
    result = explained(adata, model_of(bert(), reading))
    assert not result[adata.X.toarray() == 0].any()
    account = adata.uns["lrp"]
    assert abs(account["ledger_residue"]) < 1e-9 * abs(account["ledger_score"])
    assert account["ledger_score"] == pytest.approx(account["ledger_genes"] + account["ledger_biases"], rel=1e-9)


def test_word_and_position_add_up():
    shares = [
        explained(cohort(), model_of(bert(), replace(tokens(), embeddings=embeddings)))
        for embeddings in ("both", "word", "position")
    ]
    np.testing.assert_allclose(shares[1] + shares[2], shares[0], rtol=1e-4, atol=1e-8)
    assert all(share.any() for share in shares)


def test_the_order_of_genes_counts_and_its_relevance_is_the_positions():
    network = bert()
    with torch.no_grad():  # all genes look alike: what is left is how many there are, and at which place
        network.bert.embeddings.word_embeddings.weight.zero_()
    adata = cohort()
    assert not explained(adata, model_of(network, replace(tokens(), embeddings="word"))).any()
    assert explained(adata, model_of(network)).any()


def test_genes_have_the_relevance_of_their_word_and_their_position():
    """Compared with relevance computed by hand for one cell, at the two embeddings."""
    adata, network = cohort()[:1].copy(), bert()
    result = explained(adata, model_of(network), rules=ATTN_LRP)[0]
    ids, _, genes = tokens().encode(torch.tensor(adata.X.toarray()))
    with capture(network, "*.word_embeddings", "*.position_embeddings") as kept:
        logit = network(input_ids=ids).logits[:, 1]
    by_token = sum(part.sum(-1) for part in core_relevance(logit, list(kept.values())))[0].numpy()
    inside = genes[0] >= 0
    np.testing.assert_allclose(result[genes[0][inside]], by_token[inside], rtol=1e-5, atol=1e-8)


def test_heads_of_a_bert_add_up():
    request = {"target": "high", "score": "logit", "rules": CP_LRP}
    module = "bert.encoder.layer.0.attention.self"
    heads = latent_relevance(cohort(), model_of(bert()), module, heads=2, **request)
    neurons = latent_relevance(cohort(), model_of(bert()), module, **request)
    assert set(heads["neuron"]) == {0, 1} and set(neurons["neuron"]) == set(range(16))
    summed = neurons.groupby(["group", neurons["neuron"] // 8])["relevance"].sum()
    np.testing.assert_allclose(heads.set_index(["group", "neuron"])["relevance"].loc[summed.index], summed, rtol=1e-9)
    result = genes_of_neuron(cohort(), model_of(bert()), module, 1, heads=2, **request)
    assert set(result["gene"]) == set(GENES) and result["relevance"].abs().max() > 0


def test_other_cells_do_not_matter():
    whole = explained(cohort(), model_of(bert()))
    np.testing.assert_allclose(explained(cohort(), model_of(bert()), batch_size=3), whole, rtol=1e-5, atol=1e-9)


def test_shuffled_dropped_and_surplus_columns():
    whole = explained(cohort(), model_of(bert()))
    order = np.random.default_rng(1).permutation(len(GENES))
    np.testing.assert_allclose(explained(cohort()[:, order].copy(), model_of(bert())), whole[:, order], rtol=1e-6)
    less = cohort()
    less.X = sparse.csr_matrix(less.X.toarray() * ~np.isin(GENES, ["g3", "g4"]))
    expected = np.delete(explained(less, model_of(bert())), [3, 4], axis=1)
    with pytest.warns(UserWarning, match=r"2 of the model's 30 genes are not in the cohort.*'g3', 'g4'"):
        result = explained(cohort()[:, ~np.isin(GENES, ["g3", "g4"])].copy(), model_of(bert()))
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    more = cohort()
    more = AnnData(sparse.hstack([more.X, more.X[:, :2]]).tocsr(), more.obs, pd.DataFrame(index=[*GENES, "x", "y"]))
    result = explained(more, model_of(bert()))
    np.testing.assert_allclose(result[:, :30], whole, rtol=1e-6)
    assert not result[:, 30:].any()


def test_a_gene_twice_is_refused():
    twice = cohort()
    twice.var_names = ["g1", *GENES[1:]]
    with pytest.raises(CohortError, match=r"used more than once: 'g1'"):
        relevance(twice, model_of(bert()))


def test_a_cell_without_counts_has_no_relevance():
    adata = cohort()
    adata.X = sparse.csr_matrix(adata.X.toarray() * (np.arange(40) != 5)[:, None])
    for reading in (tokens(), tokens(first=None, last=None)):
        result = explained(adata, model_of(bert(), reading))
        assert not result[5].any() and np.isfinite(result).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: RobertaForSequenceClassification(RobertaConfig(**SMALL | {"max_position_embeddings": 48})),
        lambda: DistilBertForSequenceClassification(
            DistilBertConfig(**SIZES, dim=16, n_layers=2, n_heads=2, hidden_dim=32)
        ),
    ],
)
def test_other_models_of_the_library_keep_their_own_positions(make):
    network = make().double().eval()
    adata = cohort()
    whole = explained(adata, model_of(network))
    account = adata.uns["lrp"]
    assert abs(account["ledger_residue"]) < 1e-9 * abs(account["ledger_score"])
    np.testing.assert_allclose(explained(cohort(), model_of(network), batch_size=3), whole, rtol=1e-5, atol=1e-9)
    ids, real, _ = tokens().encode(torch.tensor(adata.X.toarray()))
    alone = network(input_ids=ids, attention_mask=real.long()).logits[:, 1].detach()
    np.testing.assert_allclose(adata.obs["lrp_score"], alone, rtol=1e-9)


def test_nothing_stays_on_the_network():
    network = bert()
    before = [(len(module._forward_hooks), sorted(vars(module))) for module in network.modules()]
    explained(cohort(), model_of(network))
    assert before == [(len(module._forward_hooks), sorted(vars(module))) for module in network.modules()]


def test_a_trained_bert_uses_the_marker():
    adata = cohort(160)
    ids, real, _ = tokens().encode(torch.tensor(adata.X.toarray()))
    network = fit(bert(), lambda net: net(input_ids=ids, attention_mask=real.long()).logits, adata)
    assert leading(cohort(60, seed=1), model_of(network)) == "g7"
