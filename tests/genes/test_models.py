"""Models of expression that a file declares: explained like the network itself; and errors in their declarations."""

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from lrp_domains import CP_LRP
from lrp_domains.genes import CohortError, Training, gene_model, load_model, made_cohort, relevance, save_model, train

CLASSES = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]


class Attention(nn.Module):
    """A small transformer over genes, each a token of its value times an embedding."""

    def __init__(self, genes=60, width=8):
        super().__init__()
        self.genes = nn.Parameter(torch.randn(genes, width))
        self.block = nn.TransformerEncoderLayer(width, 2, 16, dropout=0.0, batch_first=True, activation="gelu")
        self.head = nn.Linear(width, 3)

    def forward(self, expression):
        return self.head(self.block(expression[:, :, None] * self.genes).mean(1))


def dense():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(60, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    network(torch.rand(64, 60))  # so that batch norm has something to say
    return network.double().eval()


def attention():
    torch.manual_seed(0)
    return Attention().double().eval()


def declared(folder, **keys):
    (folder / "genes.txt").write_text("\n".join(made_cohort().var_names) + "\n")
    content = {"network": "net.pt2", "genes": "genes.txt", "classes": CLASSES} | keys
    content = {key: value for key, value in content.items() if value is not None}
    (folder / "model.yaml").write_text(yaml.safe_dump(content))
    return folder / "model.yaml"


def export(network, path, dynamic=True):
    shapes = {"dynamic_shapes": ({0: torch.export.Dim("cells", min=1)},)} if dynamic else {}
    example = torch.rand(4, 60, dtype=next(network.parameters()).dtype)
    torch.export.save(torch.export.export(network, (example,), **shapes), path)


@pytest.mark.parametrize("make", [dense, attention])
def test_an_exported_network_is_explained_like_the_one_it_was_made_from(tmp_path, make):
    network = make()
    export(network, tmp_path / "net.pt2")
    result, expected = made_cohort(), made_cohort()
    for adata in (result, expected):
        adata.X = adata.X.toarray().astype(np.float64)
    relevance(result, load_model(declared(tmp_path)), rules=CP_LRP)
    relevance(expected, gene_model(network, expected.var_names, CLASSES), rules=CP_LRP)
    np.testing.assert_allclose(result.layers["lrp"], expected.layers["lrp"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.obs["lrp_score"], expected.obs["lrp_score"], rtol=1e-10)
    np.testing.assert_allclose(result.obs["lrp_rest"], expected.obs["lrp_rest"], rtol=1e-5, atol=1e-7)
    account = result.uns["lrp"]
    assert abs(account["ledger_residue"]) < 1e-9 * abs(account["ledger_score"])


def test_a_network_exported_for_a_fixed_number_of_cells_is_refused(tmp_path):
    export(dense(), tmp_path / "net.pt2", dynamic=False)
    with pytest.raises(CohortError, match=r"exported for batches of exactly 4 cells; .*dynamic_shapes="):
        load_model(declared(tmp_path))


CODE = """
import torch
def build(hidden):
    return torch.nn.Sequential(torch.nn.Linear(60, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 3))
"""


def test_user_code_with_weights_is_executed_only_if_allowed(tmp_path):
    (tmp_path / "own_genes.py").write_text(CODE)
    network = nn.Sequential(nn.Linear(60, 5), nn.ReLU(), nn.Linear(5, 3))
    torch.save(network.state_dict(), tmp_path / "w.pt")
    keys = {"network": "own_genes:build", "arguments": {"hidden": 5}, "weights": "w.pt", "labels": "group"}
    path = declared(tmp_path, **keys)
    with pytest.raises(CohortError, match=r"names 'own_genes:build', code that is executed .*--allow-code"):
        load_model(path, allow_pickle=True)
    model = load_model(path, allow_code=True)
    result, expected = made_cohort(), made_cohort()
    relevance(result, model)
    relevance(expected, gene_model(network, expected.var_names, CLASSES, labels="group"))
    np.testing.assert_array_equal(result.layers["lrp"].toarray(), expected.layers["lrp"].toarray())
    assert result.uns["lrp"]["model"] == expected.uns["lrp"]["model"]


def test_a_pickle_is_read_only_if_allowed_and_with_a_warning(tmp_path):
    torch.save(nn.Linear(60, 3), tmp_path / "net.pt")
    path = declared(tmp_path, network="net.pt")
    with pytest.raises(CohortError, match=r"net.pt' is a pickle, which executes any code.*--allow-pickle"):
        load_model(path)
    with pytest.warns(UserWarning, match=r"net.pt' is unpickled, which executes the code it holds"):
        model = load_model(path, allow_pickle=True)
    relevance(made_cohort(), model)


def test_load_model_reads_what_save_model_writes(tmp_path):
    model = train(made_cohort(), "group", training=Training(folds=3, hidden=4, epochs=2))
    save_model(model, tmp_path / "model.pt")
    assert load_model(tmp_path / "model.pt").digest() == model.digest()


def test_all_that_is_declared_arrives(tmp_path):
    export(dense().float(), tmp_path / "net.pt2")
    expects = {"layer": "counts", "normalisation": "log1p_cp10k", "identifiers": "ensembl", "most_missing": 0.5}
    model = load_model(declared(tmp_path, **expects, classes=[0, 1, True], labels="group"))
    assert {name: getattr(model.expects, name) for name in expects} == expects
    assert model.classes == ("0", "1", "True") and model.labels == "group"


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"network": None}, r"it: 'network' is a required property"),
        ({"genes": []}, r"genes: \[\] (should be non-empty|is not valid)"),
        ({"classes": "B"}, r"classes: 'B' is not of type 'array'"),
        ({"normalisation": "log2"}, r"normalisation: 'log2' is not one of"),
        ({"most_missing": 1.5}, r"most_missing: 1.5 is greater than or equal to"),
        ({"genes": "none.txt"}, r"names the genes 'none.txt', but there is no file"),
        ({"genes": ["a", "a"]}, r"the model's genes are not unique: 'a'"),
        ({"classes": ["B", "B"]}, r"the model's classes are not unique"),
        ({"rank_tokens": {"dictionary": "d.json"}}, r"rank_tokens: 'medians' is a required property"),
    ],
)  # fmt: skip
def test_an_invalid_declaration_is_refused(tmp_path, keys, message):
    export(dense(), tmp_path / "net.pt2")
    with pytest.raises(CohortError, match=message):
        load_model(declared(tmp_path, **keys))


@pytest.mark.parametrize(
    "network, message",
    [
        (nn.Linear(7, 3), r"'Linear' doesn't accept the 60 genes it expects: mat1 and mat2"),
        (nn.Linear(60, 5), r"'Linear' returns shape \(2, 5\), not cells x 3"),
        (nn.Sequential(nn.Linear(60, 3), nn.Flatten(0)), r"'Sequential' returns shape \(6, 1\), not cells x 3"),
        ("net.pt2", r"the network is a str, not a torch.nn.Module"),
    ],
)  # fmt: skip
def test_networks_that_do_not_fit_are_refused(network, message):
    adata = made_cohort()
    with pytest.raises(CohortError, match=message):
        relevance(adata, gene_model(network, adata.var_names, CLASSES))
    assert not adata.layers and not adata.uns
