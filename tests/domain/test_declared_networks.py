"""Networks that a .yaml file declares: made by the user's code, or pickled if allowed; and errors in them."""

import sys
import textwrap

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lrp_domains.domain import DomainError, declared_files, model_version, read_declaration

from .declared import SCHEMA, declared, dense, export, load

CODE = """
    import torch
    from .parts import nothing  # a package's own parts are found
    def build(hidden=4):
        return torch.nn.Sequential(torch.nn.Linear(6, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 3))
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
    network = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    state = network.state_dict()
    save_file(state, package / weights) if weights.endswith("safetensors") else torch.save(state, package / weights)
    before = list(sys.path)
    path = declared(package, network="own_models:build", arguments={"hidden": 5}, weights=weights)
    loaded = load(path, allow_code=True)
    assert sys.path == before and not loaded.training
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, state[name])


@pytest.mark.parametrize("network", ["own_models:build", "os:system", "os:path.join", "nowhere:build"])
def test_code_is_executed_only_if_allowed(package, network):
    (package / "own_models" / "__init__.py").write_text(f"open({str(package / 'ran')!r}, 'w')")
    modules, paths = set(sys.modules), list(sys.path)
    path = declared(package, network=network, arguments={"command": f"touch {package / 'ran'}"})
    for allowed in ({}, {"allow_pickle": True}):
        with pytest.raises(DomainError, match=rf"names '{network}', code that is executed .*--allow-code"):
            load(path, **allowed)
    assert not (package / "ran").exists()
    assert "own_models" not in sys.modules and set(sys.modules) == modules and sys.path == paths


def test_a_pickle_is_read_only_if_allowed_and_with_a_warning(tmp_path):
    torch.save(nn.Linear(6, 3), tmp_path / "net.pt")
    path = declared(tmp_path, network="net.pt")
    with pytest.raises(DomainError, match=r"net.pt' is a pickle, which executes any code.*--allow-pickle"):
        load(path)
    with pytest.warns(UserWarning, match=r"net.pt' is unpickled, which executes the code it holds"):
        assert not load(path, allow_pickle=True).training


def test_a_network_without_weights_is_warned_of(package):
    with pytest.warns(UserWarning, match=r"names no weights, so 'own_models:build' is explained with its initial"):
        load(declared(package, network="own_models:build"), allow_code=True)


# ---- Errors


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"network": None}, r"it: 'network' is a required property"),
        ({"classes": None}, r"it: 'classes' is a required property"),
        ({"classes": "B"}, r"classes: 'B' is not of type 'array'"),
        ({"clases": ["B"]}, r"an unknown key 'clases'; did you mean 'classes'"),
        ({"size": 0, "names": 3}, r"size: 0 is less than the minimum of 1; names: 3 is not of type 'string'"),
        ({"network": "none.pt2"}, r"names the network 'none.pt2', but there is no file"),
        ({"network": "names.txt"}, r"names.txt' is not a network: expected a torch.export file"),
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
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*names no weights")
def test_an_invalid_declaration_is_refused(package, keys, message):
    export(dense(), package / "net.pt2")
    (package / "names.txt").write_text("a")
    (package / "broken.pt2").write_bytes(b"PK")
    (package / "broken.pt").write_bytes(b"no")
    torch.save([1], package / "list.pt")
    torch.save({"epoch": 3, "model": nn.Linear(6, 3).state_dict()}, package / "more.pt")
    (package / "json.py").write_text("")
    (package / "own_models" / "broken.py").write_text("def build(")
    torch.save(nn.Sequential(nn.Linear(6, 7)).state_dict(), package / "other.pt")
    with pytest.raises(DomainError, match=message):
        load(declared(package, **keys), allow_code=True)


@pytest.mark.parametrize(
    "text, message",
    [("- a", r"doesn't declare a model: it: \['a'\] is not of type"), ("a: [", r"is not YAML"), (None, "there is no")],
)
def test_a_file_that_is_not_a_declaration_is_refused(tmp_path, text, message):
    if text:
        (tmp_path / "model.yaml").write_text(text)
    with pytest.raises(DomainError, match=message):
        load(tmp_path / "model.yaml")


# ---- Schemas and files


def test_a_schema_may_be_a_file_and_replace_shared_keys(tmp_path):
    (tmp_path / "own.yaml").write_text("properties: {classes: {type: integer}, size: {type: integer}}")
    content = read_declaration(declared(tmp_path, classes=3, size=2), tmp_path / "own.yaml")
    assert content == {"network": "net.pt2", "classes": 3, "size": 2}
    assert read_declaration(declared(tmp_path, classes=None), {}) == {"network": "net.pt2"}


def test_the_files_of_a_declared_model(package):
    (package / "names.txt").write_text("a")
    (package / "w.pt").write_text("")
    path = declared(package, network="own_models.sub:build", weights="w.pt", names="names.txt")
    files = declared_files(read_declaration(path, SCHEMA), path, names="names.txt", others=None, missing="none.txt")
    expected = {"package": "own_models", "weights": "w.pt", "names": "names.txt"}
    assert files == {"model": path} | {f"model's {name}": package / file for name, file in expected.items()}


def test_the_version_of_a_declared_model_changes_with_all_its_files(package):
    (package / "w.pt").write_text("")
    path = declared(package, network="own_models.sub:build", weights="w.pt")
    versions = [model_version(path, SCHEMA)]
    for name in ("own_models/parts.py", "w.pt", "model.yaml"):
        (package / name).write_text((package / name).read_text() + "\n")
        versions.append(model_version(path, SCHEMA))
    assert len(set(versions)) == 4
    (package / "own_models" / "__pycache__").mkdir()
    (package / "own_models" / "__pycache__" / "parts.pyc").touch()  # as importing the package does
    assert model_version(path, SCHEMA) == versions[-1]
