"""Transformers over genes: ranked tokens in the manner of Geneformer, values in the manner of scGPT."""

import json

import numpy as np
import pytest
import torch
import yaml
from scipy import sparse
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from lrp_domains import ATTN_LRP, CP_LRP
from lrp_domains.genes import CohortError, RankTokens, gene_model, load_model, made_cohort, rank, relevance
from lrp_domains.genes.models.reading import Read

CLASSES = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]
SPECIAL = {"<pad>": 0, "<cls>": 1, "<eos>": 2}


def counts(seed=0):
    """The made cohort as counts."""
    adata = made_cohort(seed=seed)
    adata.X = sparse.csr_matrix(np.round(np.expm1(adata.X.toarray()) * 3).astype(np.float32))
    return adata


def dictionary(genes):
    return SPECIAL | {gene: number for number, gene in enumerate(genes, len(SPECIAL))}


def medians(genes):
    return {gene: 1.0 + number % 4 for number, gene in enumerate(genes)}


def bert(tokens, only=None):
    """A small BERT; with `only`, one in which no other token than that gene's has an embedding at all."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokens, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=70, num_labels=3, attn_implementation="eager",
    )  # fmt: skip
    network = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        network.classifier.weight.normal_()
        if only is not None:
            embeddings = network.bert.embeddings
            row = embeddings.word_embeddings.weight[only].clone().normal_()
            for one in (embeddings.word_embeddings, embeddings.position_embeddings, embeddings.token_type_embeddings):
                one.weight.zero_()
            embeddings.word_embeddings.weight[only] = row
    return network


def loop(values, genes, table, scale, most, first=None, last=None):
    """Encode one cell the slow way."""
    total = values.sum()
    ranked = sorted((-(values[i] / total * 1e4) / scale[gene], i) for i, gene in enumerate(genes) if values[i] > 0)
    ids = [table[genes[i]] for _, i in ranked][: most - (first is not None) - (last is not None)]
    return [first] * (first is not None) + ids + [last] * (last is not None)


@pytest.mark.parametrize("first, last", [(None, None), ("<cls>", None), ("<cls>", "<eos>")])
def test_cells_become_tokens_as_defined(first, last):
    adata = counts()
    genes, table, scale = list(adata.var_names), dictionary(adata.var_names), medians(adata.var_names)
    reading = RankTokens.of(genes, table, scale, most=64, first=first, last=last)
    values = adata.X.toarray().astype(np.float64)
    values[5] = 0
    ids, here, places = reading.encode(torch.tensor(values))
    for i in range(adata.n_obs):
        if values[i].any():
            expected = loop(values[i], genes, table, scale, 64, SPECIAL.get(first), SPECIAL.get(last))
            assert ids[i][here[i]].tolist() == expected
        assert (ids[i][~here[i]] == 0).all() and (places[i][~here[i]] == -1).all()
        own = places[i][places[i] >= 0]
        assert [table[genes[g]] for g in own] == [token for token in ids[i].tolist() if token > 2]


def test_genes_that_are_cut_are_said():
    adata = counts()
    reading = RankTokens.of(
        adata.var_names, dictionary(adata.var_names), medians(adata.var_names), most=10, first="<cls>"
    )
    with pytest.warns(UserWarning, match=r"120 of 120 cells express more genes than the 9 that the model reads"):
        ids, _, _ = reading.encode(torch.tensor(adata.X.toarray()))
    assert ids.shape == (120, 10)


def geneformer(adata, network, **options):
    genes = list(adata.var_names)
    reading = RankTokens.of(genes, dictionary(genes), medians(genes), first="<cls>", last="<eos>", **options)
    return gene_model(network, genes, CLASSES, normalisation="counts", labels="group", reading=reading)


@pytest.mark.parametrize("gene", ["other_7", "g2_0"])
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=lambda rules: rules.name)
def test_the_only_gene_that_has_an_embedding_has_all_relevance(gene, rules):
    adata = counts()
    model = geneformer(adata, bert(63, dictionary(adata.var_names)[gene]))
    order = np.random.default_rng(0).permutation(adata.n_vars)  # other columns in another order
    shuffled = adata[:, order].copy()
    for one in (adata, shuffled):
        relevance(one, model, rules=rules, target="labelled", score="logit")
    found = adata.layers["lrp"].toarray()
    column = adata.var_names.get_loc(gene)
    assert np.abs(found[:, column]).max() > 1e-3
    assert not np.delete(found, column, axis=1).any()
    np.testing.assert_allclose(shuffled.layers["lrp"].toarray(), found[:, order], rtol=1e-4, atol=1e-6)


def test_books_balance_and_batches_do_not_matter():
    adata, again = counts(), counts()
    model = geneformer(adata, bert(63).double())
    relevance(adata, model, rules=CP_LRP, batch_size=120)
    relevance(again, model, rules=CP_LRP, batch_size=7)  # cells of other lengths beside them, other padding
    np.testing.assert_allclose(again.layers["lrp"].toarray(), adata.layers["lrp"].toarray(), rtol=1e-4, atol=1e-6)
    books = adata.uns["lrp"]
    assert abs(books["ledger_residue"]) < 1e-9 * (abs(books["ledger_score"]) + abs(books["ledger_genes"]))
    assert books["ledger_genes"] == pytest.approx(adata.layers["lrp"].sum(), rel=1e-4)
    assert not adata.layers["lrp"].toarray()[adata.X.toarray() == 0].any()


def test_genes_have_what_their_word_and_their_position_hold():
    """Against relevance taken by hand for one cell, at the two embeddings."""
    from lrp_domains import capture
    from lrp_domains import relevance as core_relevance

    adata = counts()[:1].copy()
    network = bert(63).double()
    model = geneformer(adata, network)
    relevance(adata, model, target="CD19+ B", score="logit")
    ids, _, places = model.reading.encode(torch.tensor(adata.X.toarray()))
    with capture(network, "*.word_embeddings", "*.position_embeddings") as kept:
        logit = network(input_ids=ids).logits[:, 2]
    by_place = sum(one.sum(-1) for one in core_relevance(logit, list(kept.values())))[0].numpy()
    for place, gene in enumerate(places[0].tolist()):
        if gene >= 0:
            assert adata.layers["lrp"].toarray()[0, gene] == pytest.approx(by_place[place], rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"dictionary": {}}, r"60 of 60 genes are not in the dictionary: 'g1_0'"),
        ({"medians": {"g1_0": 1.0}}, r"59 of 60 genes are not in the medians: 'g1_1'"),
        ({"first": "<clz>"}, r"there is no token '<clz>'; did you mean '<cls>'"),
        ({"medians": dict.fromkeys(made_cohort().var_names, 0.0)}, r"a gene's median is 0"),
    ],
)
def test_dictionaries_that_do_not_fit(change, message):
    genes = list(made_cohort().var_names)
    given = {"dictionary": dictionary(genes), "medians": medians(genes)} | change
    with pytest.raises(CohortError, match=message):
        RankTokens.of(genes, **given)


def test_declared_in_a_file(tmp_path):
    adata = counts()
    genes = list(adata.var_names)
    bert(63).save_pretrained(tmp_path / "bert")
    (tmp_path / "dictionary.json").write_text(json.dumps(dictionary(genes)))
    (tmp_path / "medians.json").write_text(json.dumps(medians(genes)))
    declared = {
        "network": "transformers:BertForSequenceClassification.from_pretrained",
        "genes": genes, "classes": CLASSES, "normalisation": "counts", "labels": "group",
        "rank_tokens": {"dictionary": "dictionary.json", "medians": "medians.json", "first": "<cls>", "last": "<eos>"},
    }  # fmt: skip
    declared["arguments"] = {"pretrained_model_name_or_path": str(tmp_path / "bert")}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(declared))
    model = load_model(tmp_path / "model.yaml")
    relevance(adata, model)
    expected = counts()
    relevance(expected, geneformer(expected, bert(63)))
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), expected.layers["lrp"].toarray(), rtol=1e-5, atol=1e-7)


class ScGPTLike(nn.Module):
    """scGPT's architecture (Cui et al. 2024): gene and value encoders, `nn.TransformerEncoder`, a decoder."""

    def __init__(self, genes=60, width=16, batch_norm=False):
        super().__init__()
        self.gene_encoder = nn.Sequential(nn.Embedding(genes, width), nn.LayerNorm(width))
        self.value_encoder = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width))
        self.by_batch = nn.ModuleList([nn.BatchNorm1d(width) for _ in range(2)]) if batch_norm else None
        layer = nn.TransformerEncoderLayer(width, 2, 24, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.decoder = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width),
            nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width), nn.Linear(width, 3),
        )  # fmt: skip

    def forward(self, gene_ids, values, padding=None, batch_labels=None):
        values = values[..., None].clamp(max=512)
        tokens = self.gene_encoder(gene_ids) + self.value_encoder(values)
        if self.by_batch is not None:
            norm = self.by_batch[int(batch_labels[0].item())]
            tokens = norm(tokens.permute(0, 2, 1)).permute(0, 2, 1)
        tokens = self.encoder(tokens, src_key_padding_mask=padding)
        return self.decoder(tokens[:, 0])


def read_values(network, values):
    """What a model with a forward of its own needs: which ids and values, and which relevance is a gene's."""
    x = values.detach().requires_grad_()
    ids = torch.arange(x.shape[1]).expand(x.shape)
    return Read(network(ids, x, None, torch.zeros(len(x))), (x,), lambda relevances: relevances[0])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_value_encoding_transformer_is_explained_unmodified(batch_norm):
    torch.manual_seed(0)
    adata = made_cohort()
    adata.X = adata.X.toarray().astype(np.float64)
    network = ScGPTLike(batch_norm=batch_norm).double().eval()
    model = gene_model(network, adata.var_names, CLASSES, labels="group", reading=read_values)
    relevance(adata, model, rules=CP_LRP)
    books = adata.uns["lrp"]
    scale = abs(books["ledger_score"]) + abs(books["ledger_genes"]) + abs(books["ledger_biases"])
    assert abs(books["ledger_residue"]) < 1e-9 * scale
    assert not adata.layers["lrp"][adata.X == 0].any()


def test_the_gene_that_a_value_encoding_transformer_can_see_leads():
    """Attention that looks at one gene's token alone."""
    torch.manual_seed(0)
    adata = made_cohort()
    network = ScGPTLike().eval()

    class OneGene(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, ids, values, *rest):
            seen = torch.zeros(ids.shape, dtype=torch.bool)
            seen[:, 1:] = True  # all but the first token, whose output is read
            seen[:, 7] = False
            return self.network(ids, values, seen)

    model = gene_model(OneGene(), adata.var_names, CLASSES, labels="group", reading=read_values)
    for rules in (ATTN_LRP, CP_LRP):
        relevance(adata, model, rules=rules, target="labelled")
        found = adata.layers["lrp"].toarray()
        assert np.abs(found[:, 7]).sum() > 0 and not np.delete(found, [0, 7], axis=1).any()
    table = rank(adata, wilcoxon=False)
    assert set(table[table["score"] != 0]["gene"]) <= {adata.var_names[0], adata.var_names[7]}
