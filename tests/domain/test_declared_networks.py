"""Networks that a .yaml file declares: exported, made by the user's code, or pickled if allowed; and errors in them."""

import contextlib
import io
import json
import sys
import textwrap
from zipfile import ZipFile

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from lrp_domains import relevance
from lrp_domains.domain import DomainError, declared_files, declared_network, read_declaration

SCHEMA = {
    "required": ["classes"],
    "properties": {"size": {"type": "integer", "minimum": 1}, "names": {"type": "string"}},
}
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


def declared(folder, **keys):
    """Write a declaration, without the keys that are None; return its path."""
    content = {"network": "net.pt2", "classes": ["cat", "dog", "fox"]} | keys
    content = {key: value for key, value in content.items() if value is not None}
    (folder / "model.yaml").write_text(yaml.safe_dump(content))
    return folder / "model.yaml"


def load(path, **allowed):
    return declared_network(read_declaration(path, SCHEMA), path, **allowed)


def dense():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    network(torch.rand(64, 6))  # so that batch norm has something to say
    return network.double().eval()


class Joined(nn.Module):
    """A network of two inputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, left, right):
        return self.layer(torch.cat([left, right], 1).relu())


def export(network, path, *widths, dynamic=True):
    widths = widths or (6,)
    shapes = {"dynamic_shapes": tuple({0: torch.export.Dim("n", min=1)} for _ in widths)} if dynamic else {}
    examples = tuple(torch.rand(4, width, dtype=next(network.parameters()).dtype) for width in widths)
    torch.export.save(torch.export.export(network, examples, **shapes), path)


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "own_models"
    folder.mkdir()
    (folder / "__init__.py").write_text(textwrap.dedent(CODE))
    (folder / "parts.py").write_text("nothing = None")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_models"]:
        del sys.modules[name]


# ---- Exported networks


@pytest.mark.parametrize(("make", "widths"), [(dense, (6,)), (Joined, (2, 4))])
def test_an_exported_network_is_explained_like_the_one_it_was_made_from(tmp_path, make, widths):
    network = make().double().eval()
    export(network, tmp_path / "net.pt2", *widths)
    loaded = load(declared(tmp_path))
    assert not loaded.training
    inputs = [torch.randn(5, width, dtype=torch.float64, requires_grad=True) for width in widths]
    results = [relevance(model(*inputs)[:, 1], inputs) for model in (loaded, network)]
    for result, expected in zip(*results, strict=True):
        assert expected.abs().sum() > 0
        torch.testing.assert_close(result, expected)


def test_inputs_of_an_exported_network_may_be_named(tmp_path):
    network = Joined().eval()
    inputs = {"left": torch.rand(3, 2), "right": torch.rand(3, 4)}
    n = torch.export.Dim("n", min=1)
    program = torch.export.export(network, (), inputs, dynamic_shapes={name: {0: n} for name in inputs})
    torch.export.save(program, tmp_path / "net.pt2")
    torch.testing.assert_close(load(declared(tmp_path))(**inputs), network(**inputs))


def test_an_exported_network_moves_with_its_weights(tmp_path):
    export(dense(), tmp_path / "net.pt2")
    loaded = load(declared(tmp_path)).float()
    tensors = [value for value in loaded.state_dict().values() if value.is_floating_point()]
    assert len(tensors) == 8 and {value.dtype for value in tensors} == {torch.float32}  # of weights and running means
    assert loaded.train().eval()(torch.rand(2, 6)).dtype == torch.float32


def test_a_network_exported_for_a_fixed_number_is_refused(tmp_path):
    export(dense(), tmp_path / "net.pt2", dynamic=False)
    remedy = r"dynamic_shapes=\(\{0: torch.export.Dim\('pictures', min=1\)\},\)\)$"
    with pytest.raises(DomainError, match=rf"exported for batches of exactly 4 pictures; .*{remedy}"):
        load(declared(tmp_path), unit="pictures")
    export(Joined(), tmp_path / "net.pt2", 2, 4, dynamic=False)
    with pytest.raises(DomainError, match=r"exactly 4 samples; .*, with one entry .* for each of its 2 inputs$"):
        load(declared(tmp_path))


def test_a_network_exported_in_training_mode_is_refused(tmp_path):
    export(nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)).train(), tmp_path / "net.pt2")
    with pytest.raises(DomainError, match=r"\('dropout' is active\), in which pictures .*export network.eval"):
        load(declared(tmp_path), unit="pictures")
    export(dense().train(), tmp_path / "net.pt2")
    with pytest.raises(DomainError, match=r"exported in training mode \('\w*batch_norm\w*' is active\)"):
        load(declared(tmp_path))


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
    with pytest.raises(DomainError, match=message):
        load(declared(tmp_path))
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


# ---- Code and pickles


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
