"""Tokens of cells: ranked genes, those that are cut or refused, and models declared with their tables."""

import json

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from lrp_domains.domain import Read
from lrp_domains.genes import CohortError, RankTokens, gene_model, load_model, relevance

from .counts_of_two_groups import CLASSES, GENES, cohort, explained
from .token_models import DICTIONARY, MEDIANS, SMALL, bert, model_of, tokens


def slow_encode(counts, most, first, last):
    """One cell after another, as the paper says it."""
    cells = []
    for cell in counts.tolist():
        total = sum(cell)
        ranked = sorted(
            (-value / total * 10_000 / MEDIANS[gene], number)
            for number, (gene, value) in enumerate(zip(GENES, cell, strict=True))
            if value > 0
        )
        genes = [DICTIONARY[GENES[number]] for _, number in ranked]
        genes = genes[: most - (first is not None) - (last is not None)]
        cells.append(
            [DICTIONARY[token] for token in [first] if token] + genes + [DICTIONARY[token] for token in [last] if token]
        )
    return cells


@pytest.mark.parametrize("first", [None, "<cls>"])
@pytest.mark.parametrize("last", [None, "<eos>"])
@pytest.mark.parametrize("most", [40, 8])
@pytest.mark.filterwarnings("ignore:some cells express more genes")
def test_cells_are_encoded_as_one_by_one(first, last, most):
    counts = torch.tensor(cohort().X.toarray())
    ids, real, genes = tokens(first=first, last=last, most=most).encode(counts)
    expected = slow_encode(counts, most, first, last)
    assert [row[mask].tolist() for row, mask in zip(ids, real, strict=True)] == expected
    assert not ids[~real].any() and (genes[~real] == -1).all()
    assert ids.shape[1] == max(map(len, expected))
    inside = genes >= 0
    assert (ids[inside] == genes[inside] + 4).all() and (counts.gather(1, genes.clamp(min=0))[inside] > 0).all()


def test_genes_that_are_cut_are_warned_of():
    adata, model = cohort(), model_of(bert(), tokens(most=8))
    with pytest.warns(UserWarning, match="some cells express more genes than the 6 that the model reads"):
        result = explained(adata, model)
    assert ((result != 0).sum(1) <= 6).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"dictionary": {"g0": 1}}, r"29 of 30 genes are not in the dictionary: 'g1'"),
        ({"medians": {"g0": 1}}, r"29 of 30 genes are not in the medians: 'g1'"),
        ({"medians": MEDIANS | {"g2": 0}}, r"a gene's median is 0 or not finite"),
        ({"first": "<csl>"}, r"unknown token '<csl>'; did you mean '<cls>'"),
        ({"most": 2, "first": "<cls>", "last": "<eos>"}, r"most is 2 tokens per cell, 2 of them are not genes"),
        ({"most": 64}, r"most is 64 tokens per cell, but the network reads 40; declare most: 40"),
        ({"dictionary": DICTIONARY | {"g9": 99}}, r"tokens up to 99, but the network only knows 0 to 33"),
    ],
)  # fmt: skip
def test_invalid_tokens_are_refused(change, message):
    adata = cohort()
    with pytest.raises(CohortError, match=message):
        relevance(adata, model_of(bert(), RankTokens.of(**{"genes": GENES, "dictionary": DICTIONARY,
                                                          "medians": MEDIANS, "most": 40} | change)))  # fmt: skip
    assert not adata.layers and not adata.uns


def test_tokens_are_for_models_of_the_library():
    with pytest.raises(CohortError, match=r"'Linear' is not a model of the transformers library"):
        relevance(cohort(), model_of(nn.Linear(30, 2)))


def write_declaration(folder, **more):
    for name, table in (("tokens", DICTIONARY), ("medians", MEDIANS)):
        (folder / f"{name}.json").write_text(json.dumps(table))
    names = {"dictionary": "tokens.json", "medians": "medians.json", "most": 40, "first": "<cls>", "last": "<eos>"}
    declared = {"genes": GENES, "classes": CLASSES, "labels": "group", "normalisation": "counts", "rank_tokens": names}
    (folder / "model.yaml").write_text(yaml.safe_dump(declared | more))
    return folder / "model.yaml"


def test_declared_by_its_folder_of_weights(tmp_path):
    network = bert().float()
    network.save_pretrained(tmp_path / "bert")
    path = write_declaration(
        tmp_path, network="transformers:BertForSequenceClassification.from_pretrained",
        arguments={"pretrained_model_name_or_path": str(tmp_path / "bert")},
    )  # fmt: skip
    result = explained(cohort(), load_model(path, allow_code=True))
    np.testing.assert_allclose(result, explained(cohort(), model_of(network)), rtol=1e-5, atol=1e-8)


def test_declared_by_code_and_weights(tmp_path):
    network = bert().float()
    network.save_pretrained(tmp_path)
    (tmp_path / "tiny_bert.py").write_text(
        "from transformers import BertConfig, BertForSequenceClassification\n"
        "def build(**sizes):\n    return BertForSequenceClassification(BertConfig(**sizes))\n"
    )
    path = write_declaration(tmp_path, network="tiny_bert:build", arguments=SMALL, weights="model.safetensors")
    result = explained(cohort(), load_model(path, allow_code=True))
    np.testing.assert_allclose(result, explained(cohort(), model_of(network)), rtol=1e-5, atol=1e-8)


def test_half_precision_does_not_blur_the_ranks():
    """bfloat16 doesn't distinguish 1001 counts from 1002, so other ways of reading get higher precision."""
    adata = cohort()
    adata.X = np.tile(1000.0 + np.arange(adata.n_vars), (adata.n_obs, 1))
    seen = []

    def reading(network, values):
        seen.append(values)
        x = values.requires_grad_()
        return Read(network(x.bfloat16()), (x,), lambda relevances: relevances[0])

    network = nn.Linear(adata.n_vars, 2).bfloat16()
    relevance(adata, gene_model(network, adata.var_names, CLASSES, normalisation="counts", reading=reading))
    assert all((values[0].detach().numpy() == adata.X[0]).all() for values in seen) and len(seen) > 1
