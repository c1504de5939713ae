"""Models from files: exported, made by the user's code, or pickled if allowed; and errors in them."""

import contextlib
import io
import json
import sys
import textwrap
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
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


def test_a_network_exported_in_training_mode_is_refused(tmp_path):
    export(nn.Sequential(nn.Linear(60, 8), nn.Dropout(0.5), nn.Linear(8, 3)).train(), tmp_path / "net.pt2")
    with pytest.raises(CohortError, match=r"exported in training mode \('dropout' is active\).*export network.eval"):
        load_model(declared(tmp_path))
    export(dense().train(), tmp_path / "net.pt2")
    with pytest.raises(CohortError, match=r"exported in training mode \('\w*batch_norm\w*' is active\)"):
        load_model(declared(tmp_path))


class Runs:
    """A pickle of it leaves a file behind when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def change_json(content, key, value):
    """Replace the first value of a key in a graph, however deep."""
    graph = json.loads(content)
    stack = [graph]
    while stack:
        node = stack.pop()
        if isinstance(node, dict) and key in node:
            node[key] = value
            return json.dumps(graph)
        stack += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    raise AssertionError(key)


def pickled(path):
    buffer = io.BytesIO()
    torch.save(Runs(path), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "member, change, message",
    [
        ("sample_inputs/model.pt", lambda old, path: pickled(path), r"holds a pickled object \(model.pt\)"),
        ("model_weights_config.json", lambda old, path: change_json(old, "use_pickle", True), "a pickled tensor"),
        ("models/model.json", lambda old, path: change_json(old, "target", "torch.load"), "holds a call of torch.load"),
        *(
            ("models/model.json", lambda old, path, call=call: change_json(old, "target", call), "holds a call of")
            for call in (
                "_operator.attrgetter", "_operator.call", "_operator.methodcaller", "math.floor.__self__", "#evil:call",
                "torch.ops.aten.__getattr__.__builtins__.get", "torch.ops.aten.add.Tensor.__init__",
                "torch.ops.aten.add.Tensor.default.x", "torch.ops.load_library", "torch.sym_int.__globals__.get",
            )
        ),
        ("models/model.json", lambda old, path: change_json(old, "expr_str", f"open('{path}','w')"), "a size to"),
        ("models/model.json", lambda old, path: change_json(old, "expr_str", "(exec)(chr(49))"), "a size to evaluate"),
        ("data/aotinductor/model/x.so", lambda old, path: b"", r"holds compiled code \(x.so\)"),
    ],
)  # fmt: skip
def test_code_in_an_exported_file_is_not_run(tmp_path, member, change, message):
    export(dense(), tmp_path / "good.pt2")
    ran, done = tmp_path / "ran", False
    with ZipFile(tmp_path / "good.pt2") as old, ZipFile(tmp_path / "net.pt2", "w") as new:
        for name in old.namelist():
            mine = name.endswith(member)
            new.writestr(name, change(old.read(name), ran) if mine else old.read(name))
            done |= mine
        if not done:
            new.writestr(f"net/{member}", change(None, ran))
    with pytest.raises(CohortError, match=message):
        load_model(declared(tmp_path))
    assert not ran.exists()


@pytest.mark.filterwarnings("ignore")
def test_pytorch_itself_would_run_it(tmp_path):
    """If this fails, torch.export.load has become safe, and this check is no longer required."""
    export(dense(), tmp_path / "good.pt2")
    with ZipFile(tmp_path / "good.pt2") as old, ZipFile(tmp_path / "net.pt2", "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled(tmp_path / "ran") if "sample_inputs" in name else old.read(name))
    with contextlib.suppress(Exception):
        torch.export.load(tmp_path / "net.pt2")
    assert (tmp_path / "ran").exists()


CODE = """
    import torch
    from .parts import nothing  # a package's own parts are found
    def build(hidden=4):
        return torch.nn.Sequential(torch.nn.Linear(60, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 3))
    def fails():
        raise RuntimeError("no such size")
    number = 3
    def three():
        return number
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "own_models"
    folder.mkdir()
    (folder / "__init__.py").write_text(textwrap.dedent(CODE))
    (folder / "parts.py").write_text("nothing = None")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_models"]:
        del sys.modules[name]


@pytest.mark.parametrize("weights", ["w.safetensors", "w.pt"])
def test_user_code_with_weights(package, weights):
    network = nn.Sequential(nn.Linear(60, 5), nn.ReLU(), nn.Linear(5, 3))
    state = network.state_dict()
    save_file(state, package / weights) if weights.endswith("safetensors") else torch.save(state, package / weights)
    before = list(sys.path)
    model = load_model(
        declared(package, network="own_models:build", arguments={"hidden": 5}, weights=weights, labels="group"),
        allow_code=True,
    )
    assert sys.path == before
    result, expected = made_cohort(), made_cohort()
    relevance(result, model)
    relevance(expected, gene_model(network, expected.var_names, CLASSES, labels="group"))
    np.testing.assert_array_equal(result.layers["lrp"].toarray(), expected.layers["lrp"].toarray())
    assert result.uns["lrp"]["model"] == expected.uns["lrp"]["model"]


@pytest.mark.parametrize("network", ["own_models:build", "os:system", "os:path.join", "nowhere:build"])
def test_code_is_executed_only_if_allowed(package, network):
    (package / "own_models" / "__init__.py").write_text(f"open({str(package / 'ran')!r}, 'w')")
    modules, paths = set(sys.modules), list(sys.path)
    path = declared(package, network=network, arguments={"command": f"touch {package / 'ran'}"})
    for allowed in ({}, {"allow_pickle": True}):
        with pytest.raises(CohortError, match=rf"names '{network}', code that is executed .*--allow-code"):
            load_model(path, **allowed)
    assert not (package / "ran").exists()
    assert "own_models" not in sys.modules and set(sys.modules) == modules and sys.path == paths


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
        ({"clases": ["B"]}, r"an unknown key 'clases'; did you mean 'classes'"),
        ({"normalisation": "log2"}, r"normalisation: 'log2' is not one of"),
        ({"most_missing": 1.5}, r"most_missing: 1.5 is greater than or equal to"),
        ({"genes": "none.txt"}, r"names the genes 'none.txt', but there is no file"),
        ({"network": "none.pt2"}, r"names the network 'none.pt2', but there is no file"),
        ({"network": "genes.txt"}, r"genes.txt' is not a network: expected a torch.export file"),
        ({"network": "broken.pt2"}, r"broken.pt2' could not be read as a torch.export file"),
        ({"weights": "w.pt"}, r"has 'weights', which is for a network as module:callable"),
        ({"network": "own_modles:build"}, r"the module 'own_modles' of .* could not be imported: No module"),
        ({"network": "json:build"}, r"the module 'json' next to .* was not imported, because another of that name"),
        ({"network": "own_models.broken:build"}, r"'own_models.broken' of .* imported: SyntaxError: "),
        ({"network": "own_models:biuld"}, r"'own_models' has no callable 'biuld'; did you mean 'build'"),
        ({"network": "own_models:number"}, r"'own_models' has no callable 'number'"),
        ({"network": "own_models:fails"}, r"'own_models:fails' could not be called with {}: no such size"),
        ({"network": "own_models:three"}, r"'own_models:three' returns a int, not a torch.nn.Module"),
        ({"network": "own_models:build", "arguments": {"hiden": 3}}, r"not be called with {'hiden': 3}: build\(\)"),
        ({"network": "own_models:build", "weights": "none.pt"}, r"names the weights 'none.pt', but there is no file"),
        ({"network": "own_models:build", "weights": "other.pt"}, r"missing: '2.bias', '2.weight'; 0.weight is"),
        ({"network": "own_models:build", "weights": "broken.pt"}, r"broken.pt' could not be read as weights"),
        ({"network": "own_models:build", "weights": "list.pt"}, r"list.pt' holds a list, not weights by name"),
        ({"network": "own_models:build", "weights": "more.pt"}, r"more \('epoch', 'model'\); save .*\['model'\]"),
        ({"genes": ["a", "a"]}, r"the model's genes are not unique: 'a'"),
        ({"classes": ["B", "B"], "network": "own_models:build"}, r"the model's classes are not unique"),
        ({"rank_tokens": {"dictionary": "d.json"}}, r"rank_tokens: 'medians' is a required property"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*names no weights")
def test_an_invalid_declaration_is_refused(package, keys, message):
    export(dense(), package / "net.pt2")
    (package / "broken.pt2").write_bytes(b"PK")
    (package / "broken.pt").write_bytes(b"no")
    torch.save([1], package / "list.pt")
    torch.save({"epoch": 3, "model": nn.Linear(60, 3).state_dict()}, package / "more.pt")
    (package / "json.py").write_text("")
    (package / "own_models" / "broken.py").write_text("def build(")
    torch.save(nn.Sequential(nn.Linear(60, 7)).state_dict(), package / "other.pt")
    with pytest.raises(CohortError, match=message):
        load_model(declared(package, **keys), allow_code=True)


@pytest.mark.parametrize(
    "text, message",
    [("- a", r"doesn't declare a model: it: \['a'\] is not of type"), ("a: [", r"is not YAML"), (None, "there is no")],
)
def test_a_file_that_is_not_a_declaration_is_refused(tmp_path, text, message):
    if text:
        (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(CohortError, match=message):
        load_model(tmp_path / "model.yaml")


def test_a_declaration_without_weights_is_warned_of(package):
    with pytest.warns(UserWarning, match=r"names no weights, so 'own_models:build' is explained with its initial"):
        load_model(declared(package, network="own_models:build"), allow_code=True)


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
