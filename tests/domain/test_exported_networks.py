"""Networks from torch.export files: explained like those they were made from, and no code in them is run."""

import contextlib
import json
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from lrp_domains import relevance
from lrp_domains.domain import DomainError

from .declared import declared, dense, export, load, pickled


class Joined(nn.Module):
    """A network of two inputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, left, right):
        return self.layer(torch.cat([left, right], 1).relu())


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
